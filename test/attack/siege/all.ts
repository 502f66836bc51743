/** Every attack, in the order of the report. One that is written is added here. */
import { compressedMessages } from "../compressed-messages.ts";
import { pings, resets, settings, strayFrames } from "../frame-floods.ts";
import {
  endlessLists,
  forbiddenCalls,
  foreignOrigins,
  greedyWatchers,
  halfOpenCalls,
  largeReads,
  standingStreams,
} from "../greedy-callers.ts";
import { healthCalls } from "../health-calls.ts";
import { healthNames, healthWatches, smallHealthWatches } from "../health-names.ts";
import { endlessMetadata, illegalMetadata, largeMetadata } from "../illegal-metadata.ts";
import { forbiddenRefusals, heldCommands, largeRefusals, unknownRefusals } from "../remembered-calls.ts";
import {
  halfHandshakes,
  halfRequests,
  idleSessions,
  silentConnections,
  silentStreams,
} from "../silent-connections.ts";
import { unknownMethods, unknownRoutes } from "../unknown-paths.ts";
import type { Attack } from "./attack.ts";

export const ATTACKS: readonly Attack[] = [
  compressedMessages,
  healthNames,
  healthWatches,
  smallHealthWatches,
  healthCalls,
  illegalMetadata,
  largeMetadata,
  endlessMetadata,
  unknownMethods,
  unknownRoutes,
  silentConnections,
  halfHandshakes,
  idleSessions,
  halfRequests,
  silentStreams,
  resets,
  settings,
  pings,
  strayFrames,
  unknownRefusals,
  greedyWatchers,
  standingStreams,
  halfOpenCalls,
  largeReads,
  endlessLists,
  forbiddenCalls,
  foreignOrigins,
  forbiddenRefusals,
  largeRefusals,
  heldCommands,
];
