/**
 * Holds the OpenAPI document to the rules of Redocly's linter: all that it has for OpenAPI 3.1, each of them an error, but for
 * those that are left out below with their reason. Needs no network, and writes nothing but what is wrong.
 */
import { createConfig, lintFromString } from "@redocly/openapi-core";
import { OPENAPI } from "../src/contract/gen/openapi.ts";

const RULES = [
  "array-parameter-serialization",
  "component-name-unique",
  "info-license",
  "info-license-strict",
  "no-ambiguous-paths",
  "no-duplicated-enum-values",
  "no-duplicated-tag-names",
  "no-empty-servers",
  "no-enum-type-mismatch",
  "no-example-value-and-externalValue",
  "no-identical-paths",
  "no-illogical-composition-keywords",
  "no-invalid-media-type-examples",
  "no-invalid-parameter-examples",
  "no-invalid-schema-examples",
  "no-mixed-number-range-constraints",
  "no-path-trailing-slash",
  "no-required-schema-properties-undefined",
  "no-schema-type-mismatch",
  "no-server-example.com",
  "no-server-trailing-slash",
  "no-undefined-server-variable",
  "no-unresolved-refs",
  "no-unsafe-markdown",
  "no-unused-components",
  "operation-2xx-response",
  "operation-description",
  "operation-operationId",
  "operation-operationId-unique",
  "operation-operationId-url-safe",
  "operation-parameters-unique",
  "operation-singular-tag",
  "operation-summary",
  "operation-tag-defined",
  "parameter-description",
  "path-declaration-must-exist",
  "path-http-verbs-order",
  "path-not-include-query",
  "path-parameters-defined",
  "path-params-defined",
  "security-defined",
  "security-scopes-defined",
  "spec-components-invalid-map-name",
  "spec-example-values",
  "spec-ref-siblings",
  "spec-strict-refs",
  "struct",
  "tag-description",
];

/** Every operation answers what fails with the one Error. It has no status of its own, as operation-4xx-response asks. */
const OURS = {
  "rule/failures-are-described": {
    subject: { type: "Responses" },
    assertions: { required: ["default"] },
    severity: "error",
    message: "An operation does not say what failures look like.",
  },
} as const;

/**
 * Left out: names and order that the contract fixes (paths-kebab-case, path-segment-plural, no-http-verbs-in-paths,
 * boolean-parameter-prefixes, tags-alphabetical); what the proto does not say (scalar-property-missing-example,
 * required-string-property-missing-min-length, info-contact); another shape of errors than AIP-193
 * (operation-4xx-problem-details-rfc7807); and rules that do nothing without lists of one's own (request-mime-type,
 * response-mime-type, response-contains-header, response-contains-property, no-server-variables-empty-enum).
 */
const config = await createConfig({
  rules: { ...Object.fromEntries(RULES.map((rule) => [rule, "error" as const])), ...OURS },
});
const problems = await lintFromString({
  source: JSON.stringify(OPENAPI),
  absoluteRef: "openapi.json",
  config,
});
for (const { ruleId, message, location } of problems) {
  process.stderr.write(`${location[0]?.pointer ?? "#/"}: ${message} (${ruleId})\n`);
}
if (problems.length > 0) {
  process.stderr.write(
    `The OpenAPI document breaks ${problems.length} rules: mend scripts/openapi or the proto.\n`,
  );
  process.exitCode = 1;
}
