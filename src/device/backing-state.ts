/**
 * The states of an object's bytes, as numbers in the object table and in images. Images make the numbers
 * permanent.
 */

/** It never had bytes, or they were purged while VOLATILE. The next use starts with zeroes. */
export const UNPOPULATED = 0;
/** It has a resource in a region. */
export const RESIDENT = 1;
/** Its bytes are in the swap store. */
export const SWAPPED = 2;
/** Its content was purged with the client's permission and cannot return. */
export const PURGED = 3;
/** Its content may be wrong, and every access says so. */
export const UNKNOWN = 4;
