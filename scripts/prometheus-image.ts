/**
 * Makes sure that there is an image of Prometheus for docker/compose.yaml: the real one, or, where it cannot be pulled, a
 * stand-in made of Debian's package, of the libraries that it needs, and of busybox, whose wget the health check calls.
 */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { aptKnows, installPackages, lastLines, onPath } from "./apt.ts";
import { canHave, hasImage } from "./docker-pull.ts";
import { ensurePrometheus } from "./prometheus.ts";

/** The image to run, or a whole sentence that says why there is none. */
export type PrometheusImage =
  | { readonly available: true; readonly image: string; readonly isStandIn: boolean }
  | { readonly available: false; readonly reason: string };

/** A name of its own, because what is in it is another version than the real image is asked for. */
const STAND_IN = "torpor-prometheus-stand-in";
/** As in the real image: nobody, /bin/prometheus, data in /prometheus. */
const DOCKERFILE = `FROM scratch
COPY root/ /
COPY --chown=65534:65534 data/ /prometheus/
USER 65534:65534
WORKDIR /prometheus
EXPOSE 9090
ENTRYPOINT ["/bin/prometheus"]
`;
/** Two copies of 50 MB. Unit: milliseconds. */
const BUILD_TIMEOUT_MS = 120_000;

/** Finds or pulls `wanted`, or builds the stand-in. */
export function ensurePrometheusImage(wanted: string): PrometheusImage {
  if (canHave(wanted)) return { available: true, image: wanted, isStandIn: false };
  const standIn: PrometheusImage = { available: true, image: STAND_IN, isStandIn: true };
  if (hasImage(STAND_IN)) return standIn;
  const reason = ensurePrometheus() ?? ensureBusybox() ?? buildStandIn();
  return reason === undefined ? standIn : { available: false, reason };
}

function ensureBusybox(): string | undefined {
  if (onPath("busybox")) return undefined;
  return aptKnows("busybox") ? installPackages(["busybox"], "busybox") : "There is no package busybox.";
}

function buildStandIn(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "torpor-prometheus-image-"));
  try {
    const root = join(folder, "root");
    mkdirSync(join(root, "bin"), { recursive: true });
    mkdirSync(join(folder, "data"));
    for (const program of ["prometheus", "busybox"]) {
      const file = pathOf(program);
      if (file === undefined) return `There is no ${program} on the PATH.`;
      cpSync(file, join(root, "bin", program));
      for (const library of librariesOf(file)) cpSync(realpathSync(library), join(root, library));
    }
    for (const name of ["sh", "wget"]) symlinkSync("busybox", join(root, "bin", name));
    writeFileSync(join(folder, "Dockerfile"), DOCKERFILE);
    const build = spawnSync("docker", ["build", "--quiet", "--tag", STAND_IN, folder], {
      encoding: "utf8",
      timeout: BUILD_TIMEOUT_MS,
    });
    if (build.status === 0) return undefined;
    return `The stand-in for Prometheus could not be built: ${lastLines(`${build.stdout}${build.stderr}`)}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function pathOf(program: string): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const file = folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
  return file === undefined ? undefined : realpathSync(file);
}

/** The shared libraries of a program, its loader included, as absolute paths; none for a static one. */
function librariesOf(file: string): string[] {
  const { stdout } = spawnSync("ldd", [file], { encoding: "utf8" });
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, library = ""]) => library);
}
