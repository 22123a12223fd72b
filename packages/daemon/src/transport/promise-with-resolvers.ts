/**
 * `Promise.withResolvers` for Node 20, which lacks it: packages below libp2p call it when they stop. Imported first by every file that
 * imports libp2p; does nothing where the function exists.
 */

interface Resolvers<Value> {
  readonly promise: Promise<Value>;
  readonly resolve: (value: Value | PromiseLike<Value>) => void;
  readonly reject: (reason?: unknown) => void;
}

function withResolvers<Value>(this: PromiseConstructor): Resolvers<Value> {
  let resolve: Resolvers<Value>["resolve"] = () => undefined;
  let reject: Resolvers<Value>["reject"] = () => undefined;
  const promise = new this<Value>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

if (!("withResolvers" in Promise)) {
  Object.defineProperty(Promise, "withResolvers", { value: withResolvers, configurable: true, writable: true });
}
