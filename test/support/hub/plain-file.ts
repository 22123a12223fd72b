/** Files of the face `/files/<name>`: any web server, with the habits that web servers have. */
import { type Content, type ContentInput, toContent } from "./content.js";
import { sha1Hex } from "./digest.js";

export interface PlainFileOptions {
  /** false: Range is ignored. Default true. */
  readonly ranges?: boolean;
  /** false: chunked, without Content-Length. Default true. */
  readonly length?: boolean;
  /** false: HEAD is refused with 405. Default true. */
  readonly head?: boolean;
  /** Default `strong`. */
  readonly etag?: "strong" | "weak" | "none";
  /** Default: a fixed date; undefined: no header. */
  readonly lastModified?: Date | undefined;
  readonly contentType?: string;
  /** Answers 302 to there instead. */
  readonly redirectTo?: string;
}

export interface PlainFile extends PlainFileOptions {
  readonly content: Content;
  readonly etagHeader: string | undefined;
}

const DEFAULT_LAST_MODIFIED = new Date(Date.UTC(2026, 0, 1));

export function makePlainFile(input: ContentInput, options: PlainFileOptions = {}): PlainFile {
  const content = toContent(input);
  const tag = `"${sha1Hex(content.key).slice(0, 24)}"`;
  const etags = { strong: tag, weak: `W/${tag}`, none: undefined };
  return {
    lastModified: DEFAULT_LAST_MODIFIED,
    ...options,
    content,
    etagHeader: etags[options.etag ?? "strong"],
  };
}
