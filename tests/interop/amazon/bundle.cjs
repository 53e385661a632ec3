// node bundle.cjs ENTRY OUT      with OSSICLE_JS naming the folder of node_modules
const { createRequire } = require("node:module");
const path = require("node:path");
const [entry, out] = process.argv.slice(2);
const { buildSync } = createRequire(process.env.OSSICLE_JS + "/x.js")("esbuild");
buildSync({
  stdin: {
    contents: require("node:fs").readFileSync(entry, "utf8"),
    resolveDir: path.resolve(process.env.OSSICLE_JS),
  },
  bundle: true,
  platform: "browser",
  format: "iife",
  outfile: out,
  logLevel: "error",
});
