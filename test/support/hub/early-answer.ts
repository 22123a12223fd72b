/** An answer that ends a request before its content: an error as the Hub words it, or a redirect. Thrown by handlers. */
export class EarlyAnswer extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent instead of the JSON error. */
  readonly body: { readonly type: string; readonly text: string } | undefined;

  constructor(
    status: number,
    message: string,
    headers: Readonly<Record<string, string>> = {},
    body?: { readonly type: string; readonly text: string },
  ) {
    super(message);
    this.status = status;
    this.headers = headers;
    this.body = body;
  }

  /** With `X-Error-Code` and `X-Error-Message`. */
  static coded(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    return new EarlyAnswer(status, message, { "X-Error-Code": code, "X-Error-Message": message, ...headers });
  }

  static redirect(status: 302 | 307, location: string, headers: Readonly<Record<string, string>> = {}) {
    const text = `See ${location}\n`;
    return new EarlyAnswer(
      status,
      text,
      { Location: location, ...headers },
      { type: "text/plain; charset=utf-8", text },
    );
  }

  /** As object stores and their CDNs say it. */
  static xml(status: number, code: string, message: string) {
    const text = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>`;
    return new EarlyAnswer(status, message, {}, { type: "application/xml", text });
  }
}
