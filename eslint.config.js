// The linter's rules: typescript-eslint at its strictest, and the rules of the house that a machine can hold: the
// outside world is touched only through packages/platform, packages see each other only through their index, and an
// arrow between packages only ever points down.
import tseslint from "typescript-eslint";

/** Node modules that reach the outside world; everything else of node: is computation. */
const outsideWorld = [
  "fs",
  "fs/promises",
  "child_process",
  "net",
  "tls",
  "http",
  "https",
  "dgram",
  "dns",
  "os",
  "worker_threads",
  "cluster",
];

const outsideWorldMessage = "Reach the outside world through @kelpie/platform (docs/adr/0002-platform.md).";

/** Packages from the lowest to the highest: each may import those before it. */
const layers = ["platform", "formats", "repositories", "images", "sandbox", "cli"];

const directionRules = layers.map((name, level) => ({
  files: [`packages/${name}/**`],
  rules: {
    "@typescript-eslint/no-restricted-imports": [
      "error",
      {
        patterns: [
          {
            regex: "^@kelpie/[^/]+/",
            message: "Import a package by its name: its index.ts is its whole public face.",
          },
          {
            // What a package has for its own tests, those of another may use.
            regex: `^(\\.\\./)+(${layers.join("|")})/(?!.*testing/)`,
            message: "Import another package by its name.",
          },
          {
            regex: `^@kelpie/(${layers.slice(level).join("|")})$`,
            message: `packages/${name} may import only the packages below it: ${layers.slice(0, level).join(", ") || "none"}.`,
          },
        ],
      },
    ],
  },
}));

export default tseslint.config(
  { ignores: ["**/gen/**", "**/target/**", "**/node_modules/**", "**/*.js"] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: true },
      ],
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "no-restricted-imports": [
        "error",
        {
          paths: outsideWorld.flatMap((name) => [
            { name: `node:${name}`, message: outsideWorldMessage },
            { name, message: outsideWorldMessage },
          ]),
        },
      ],
      "no-restricted-globals": [
        "error",
        ...["fetch", "setTimeout", "setInterval", "setImmediate", "process"].map((name) => ({
          name,
          message: outsideWorldMessage,
        })),
      ],
      "no-restricted-properties": [
        "error",
        { object: "Date", property: "now", message: outsideWorldMessage },
        { object: "Math", property: "random", message: outsideWorldMessage },
        { object: "performance", property: "now", message: outsideWorldMessage },
        { object: "AbortSignal", property: "timeout", message: outsideWorldMessage },
      ],
      "no-restricted-syntax": [
        "error",
        { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: outsideWorldMessage },
        {
          selector: "NewExpression[callee.name='Error']",
          message: "Throw a KelpieError with a code (packages/platform).",
        },
      ],
    },
  },
  ...directionRules,
  {
    files: ["packages/platform/src/**", "tools/**"],
    rules: {
      "no-restricted-imports": "off",
      "no-restricted-globals": "off",
      "no-restricted-properties": "off",
      "no-restricted-syntax": "off",
    },
  },
  {
    // A test may look at the real machine and run the real tools that judge our output.
    files: ["**/*.test.ts", "**/*.fuzz.ts", "**/testing/**", "**/*.bench.ts"],
    rules: {
      "no-restricted-imports": "off",
      "no-restricted-globals": "off",
      "no-restricted-properties": "off",
      "no-restricted-syntax": "off",
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafeCalls: [
            { from: "package", package: "node:test", name: ["test", "describe", "it", "suite"] },
          ],
        },
      ],
    },
  },
);
