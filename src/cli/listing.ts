/** Listings: fetches pages until there are enough items. */
import { type Command, Option } from "commander";
import { parseCount } from "./quantities.ts";

/** Default number of items in a listing. */
const LIMIT_DEFAULT = 1000;
/** Largest page that the daemon returns. */
const PAGE_SIZE_MAX = 1000;

export interface PageOptions {
  /** Most items to fetch in total; 0 means all. */
  readonly limit: number;
  readonly pageToken?: string;
}

interface Page {
  readonly nextPageToken: string;
}

export function addPageOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--limit <COUNT>", "most items to list (0: all)")
        .argParser(parseCount)
        .default(LIMIT_DEFAULT),
    )
    .addOption(new Option("--page-token <TOKEN>", "continue a listing"));
}

/**
 * Fetches pages up to the limit or the end, and returns them as one page.
 * @param items the list in a page
 */
export async function collectPages<P extends Page, T>(
  { limit, pageToken: first = "" }: PageOptions,
  ask: (page: { pageSize: number; pageToken: string }) => Promise<P>,
  items: (page: P) => T[],
): Promise<P> {
  const wanted = limit === 0 ? Number.POSITIVE_INFINITY : limit;
  const whole = await ask({ pageSize: Math.min(wanted, PAGE_SIZE_MAX), pageToken: first });
  const all = items(whole);
  let { nextPageToken } = whole;
  while (nextPageToken !== "" && all.length < wanted) {
    const pageSize = Math.min(wanted - all.length, PAGE_SIZE_MAX);
    const page = await ask({ pageSize, pageToken: nextPageToken });
    for (const item of items(page)) all.push(item);
    ({ nextPageToken } = page);
  }
  return { ...whole, nextPageToken };
}
