/** Reads a text file for {@link loadConfig}, which itself does no I/O. */
import { readFileSync } from "node:fs";
import { SwarmError } from "@swarmd/protocol";

/** A file that is not there says nothing. @throws SwarmError USAGE when it is there and can't be read */
export function readFileIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new SwarmError("USAGE", `${path} can't be read (${code})`, {
      cause,
      hint: "Make it readable for this user, or remove it.",
    });
  }
}
