/** The version of everything in this workspace; a test holds it against the package files. */
export const VERSION = "0.1.0";
