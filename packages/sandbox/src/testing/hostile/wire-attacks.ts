// What a hostile agent may do to the connection. Silent or wrong ones end by themselves; floods go on until they are cut.

import {
  answerHeaders,
  data,
  emptySettings,
  field,
  flag,
  frame,
  frameType,
  goodFields,
  message,
  newestField,
  settings,
  trailers,
  word,
} from "./frames.ts";
import type { Attacker, WireAttack } from "./raw-agent.ts";

const kibi = 1024;
const largestWindow = 0x7fffffff;
const largestLength = 0xffffffff;
const largestFrame = 0xffffff;
const zeros = Buffer.alloc(16 * kibi);

/** An attack that begins with settings as they should be. */
const after = (name: string, serve: (attacker: Attacker) => void): WireAttack => ({
  name,
  serve(attacker) {
    attacker.write(emptySettings);
    serve(attacker);
  },
});

/** An attack on the first call's stream. */
const onCall = (name: string, serve: (attacker: Attacker, stream: number) => void): WireAttack => ({
  name,
  async serve(attacker) {
    attacker.write(emptySettings);
    serve(attacker, await attacker.call);
  },
});

/** An attack that answers the first call with these bytes. */
const answers = (name: string, bytes: (stream: number) => readonly Uint8Array[]): WireAttack =>
  onCall(name, ({ write }, stream) => {
    write(Buffer.concat(bytes(stream)));
  });

/** Silence, lies and broken rules. */
export const wireAttacks: readonly WireAttack[] = [
  { name: "says nothing to a hello", greet: () => undefined },
  { name: "closes at a hello", greet: ({ close }) => close() },
  {
    name: "answers another hello",
    greet: ({ write }) => write(Buffer.from(`KELPIE-READY 1 ${"0".repeat(32)}\n`)),
  },
  { name: "says nothing after the handshake" },
  { name: "closes after the handshake", serve: ({ close }) => close() },
  { name: "sends garbage for its settings", serve: ({ write }) => write(Buffer.alloc(100, 0x4b)) },
  { name: "speaks HTTP/1.1", serve: ({ write }) => write(Buffer.from("HTTP/1.1 200 OK\r\n\r\nhello")) },
  {
    name: "sends settings that none may have",
    serve: ({ write }) => write(settings([2, 7], [4, largestLength], [5, 1])),
  },
  {
    name: "allows no call, no window and no header",
    serve: ({ write }) => write(settings([3, 0], [4, 0], [6, 0])),
  },
  after("begins a frame of 16 MiB", ({ write }) =>
    write(frame(frameType.data, flag.none, 1, zeros, largestFrame)),
  ),
  after("overflows the connection's window", ({ write }) => {
    write(frame(frameType.windowUpdate, flag.none, 0, word(largestWindow)));
    write(frame(frameType.windowUpdate, flag.none, 0, word(largestWindow)));
  }),
  after("opens windows by nothing", ({ write }) =>
    write(frame(frameType.windowUpdate, flag.none, 0, word(0))),
  ),
  after("answers a call that nobody made", ({ write }) => {
    write(answerHeaders(2));
    write(answerHeaders(99));
    write(data(101, message(zeros)));
  }),
  after("ends frames in the middle", ({ write, close }) => {
    write(frame(frameType.headers, flag.endHeaders, 1, goodFields, 500));
    close();
  }),
  after("pushes what nobody asked for", ({ write }) =>
    write(frame(frameType.pushPromise, flag.endHeaders, 1, Buffer.concat([word(2), goodFields]))),
  ),
  after("says good-bye and stays", ({ write }) =>
    write(frame(frameType.goAway, flag.none, 0, Buffer.concat([word(0), word(0)]))),
  ),
  onCall("says nothing to a call", () => undefined),
  answers("says nothing after its headers", (stream) => [answerHeaders(stream)]),
  answers("says nothing in the middle of a message", (stream) => [
    answerHeaders(stream),
    data(stream, message(zeros, { length: 20 * kibi })),
  ]),
  answers("announces a message of 4 GiB", (stream) => [
    answerHeaders(stream),
    data(stream, message(zeros, { length: largestLength })),
  ]),
  answers("compresses what must not be", (stream) => [
    answerHeaders(stream),
    data(stream, message(zeros.subarray(0, 100), { flags: 1 })),
    trailers(stream),
  ]),
  answers("sends what is no message of the API", (stream) => [
    answerHeaders(stream),
    data(stream, message(Buffer.alloc(100, 0xff))),
    trailers(stream),
  ]),
  answers("ends before its message does", (stream) => [
    answerHeaders(stream),
    data(stream, message(zeros, { length: 20 * kibi })),
    trailers(stream),
  ]),
  answers("ends without a status", (stream) => [
    answerHeaders(stream),
    frame(frameType.data, flag.endStream, stream),
  ]),
  answers("has a status that is none", (stream) => [
    answerHeaders(stream),
    trailers(stream, field("grpc-status", "-1e9")),
  ]),
  answers("refuses with a message of control characters", (stream) => [
    answerHeaders(stream),
    trailers(
      stream,
      Buffer.concat([field("grpc-status", "13"), field("grpc-message", "%1B[2J%00%FF%C3%28%")]),
    ),
  ]),
  answers("answers as a web server would", (stream) => [
    answerHeaders(stream, Buffer.concat([Buffer.from([0x8d]), field("content-type", "text/html")])),
    data(stream, Buffer.from("<h1>no</h1>")),
    frame(frameType.data, flag.endStream, stream),
  ]),
  answers("resets the call", (stream) => [frame(frameType.reset, flag.none, stream, word(7))]),
  answers("has a header field of 100 KiB", (stream) => [
    answerHeaders(stream, Buffer.concat([goodFields, field("x", "y".repeat(60 * kibi))])),
  ]),
  answers("names a header field that was never told", (stream) => [
    answerHeaders(stream, Buffer.from([0xff, 0xff, 0xff, 0x7f])),
  ]),
  answers("pads more than it sends", (stream) => [
    frame(frameType.data, flag.padded, stream, Buffer.from([200, 1, 2])),
  ]),
  answers("unpacks four kilobytes of header a hundred times over", (stream) => {
    const bomb = [goodFields, field("bomb", "b".repeat(3 * kibi), true)];
    return [
      answerHeaders(stream, Buffer.concat([...bomb, ...Array.from({ length: 100 }, () => newestField)])),
    ];
  }),
];

/** What never ends. */
export const wireFloods: readonly WireAttack[] = [
  { name: "bytes before its answer to a hello", greet: ({ flood }) => flood(() => zeros) },
  {
    name: "answers to other hellos",
    greet: ({ flood }) => flood(() => Buffer.from(`KELPIE-READY 1 ${"f".repeat(32)}\n`.repeat(300))),
  },
  after("settings", ({ flood }) => {
    const many = Buffer.concat(Array.from({ length: 500 }, () => settings([4, 70_000])));
    flood(() => many);
  }),
  after("pings", ({ flood }) => {
    const many = Buffer.concat(
      Array.from({ length: 500 }, () => frame(frameType.ping, flag.none, 0, Buffer.alloc(8))),
    );
    flood(() => many);
  }),
  after("good-byes", ({ flood }) => {
    const bye = frame(
      frameType.goAway,
      flag.none,
      0,
      Buffer.concat([word(1), word(0), zeros.subarray(0, 8000)]),
    );
    flood(() => bye);
  }),
  onCall("resets", ({ flood }, stream) => {
    const many = Array.from({ length: 500 }, () => frame(frameType.reset, flag.none, stream, word(0)));
    const bytes = Buffer.concat(many);
    flood(() => bytes);
  }),
  after("priorities", ({ flood }) => {
    const many = Array.from({ length: 500 }, (_, index) =>
      frame(frameType.priority, flag.none, 2 * index + 1, Buffer.alloc(5, 1)),
    );
    const bytes = Buffer.concat(many);
    flood(() => bytes);
  }),
  onCall("headers that go on in frame after frame", ({ write, flood }, stream) => {
    write(frame(frameType.headers, flag.none, stream, goodFields));
    const more = frame(frameType.continuation, flag.none, stream, field("x", "y".repeat(200)));
    flood(() => more);
  }),
  onCall("headers that only announce headers", ({ flood }, stream) => {
    const hint = answerHeaders(stream, field(":status", "103"));
    const many = Buffer.concat(Array.from({ length: 100 }, () => hint));
    flood(() => many);
  }),
  onCall("empty pieces of an answer", ({ write, flood }, stream) => {
    write(answerHeaders(stream));
    const many = Buffer.concat(Array.from({ length: 500 }, () => data(stream, Buffer.alloc(0))));
    flood(() => many);
  }),
  onCall("bytes beyond every window", ({ write, flood }, stream) => {
    write(answerHeaders(stream));
    write(data(stream, message(zeros.subarray(0, 1), { length: 1 << 20 })));
    flood(() => data(stream, zeros));
  }),
  onCall("empty messages", ({ write, flood }, stream) => {
    write(answerHeaders(stream));
    const many = Buffer.concat(Array.from({ length: 1000 }, () => message(Buffer.alloc(0))));
    flood(() => data(stream, many));
  }),
  after("frames of kinds that there are not", ({ flood }) => {
    const many = Buffer.concat(
      Array.from({ length: 20 }, () => frame(0xbe, 0xff, 0, zeros.subarray(0, 1000))),
    );
    flood(() => many);
  }),
];
