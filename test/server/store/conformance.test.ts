/** The directory and the bucket keep the same promises. The bucket of a real store is in test/store. */
import { describeStore } from "../../support/store-claims.ts";
import { STORE_KINDS } from "../../support/store-kinds.ts";

for (const { kind, place } of STORE_KINDS) describeStore(kind, place);
