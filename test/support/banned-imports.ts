/**
 * Given to Node by --import: what would load a package of the tracing SDK ends in an error that names it. Its interface,
 * @opentelemetry/api, is loaded by prom-client always.
 */
import { registerHooks } from "node:module";

registerHooks({
  resolve(specifier, context, next) {
    if (/^@opentelemetry\/(?!api$)/.test(specifier)) throw new Error(`${specifier} must not be loaded`);
    return next(specifier, context);
  },
});
