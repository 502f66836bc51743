/**
 * The states of an object's bytes as the object table and images store them: numbers, which images keep for
 * good.
 */

/** Never had bytes, or had them thrown away while VOLATILE: the next use starts from zeroes. */
export const UNPOPULATED = 0;
/** Has a resource in a region. */
export const RESIDENT = 1;
/** The bytes are in the swap store. */
export const SWAPPED = 2;
/** The content was thrown away with the client's leave; for ever. */
export const PURGED = 3;
/** The content cannot be vouched for; every access says so. */
export const UNKNOWN = 4;
