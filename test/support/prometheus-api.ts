/** What a Prometheus answers over its API. */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";

/** Some scrapes of five seconds. Unit: milliseconds. */
const PATIENCE_MS = 30_000;
const POLL_MS = 250;

const ANSWER = z.object({
  status: z.literal("success"),
  data: z.object({ result: z.array(z.object({ value: z.tuple([z.number(), z.string()]) })) }),
});

/** The one value of an expression, once it is the one expected; the last one seen when it never is. */
export async function settledValue(
  url: string,
  query: string,
  expected: number,
): Promise<number | undefined> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await fetch(`${url}/api/v1/query`, {
      method: "POST",
      body: new URLSearchParams({ query }),
    });
    const { result } = ANSWER.parse(await answer.json()).data;
    const value = result.length === 1 ? Number(result[0]?.value[1]) : undefined;
    if (value === expected || Date.now() > deadline) return value;
    await sleep(POLL_MS);
  }
}
