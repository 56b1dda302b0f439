// Builds what the package ships: one ES module per view, the host of saved pages, and the style sheet.
import { readdirSync } from "node:fs";
import { build } from "esbuild";

const to = "../nnlens/static";
const common = { bundle: true, minify: true, target: "es2022", legalComments: "none", logLevel: "warning" };
const views = readdirSync("src/views");

await build({
  ...common,
  entryPoints: Object.fromEntries(views.map((name) => [name, `src/views/${name}/index.ts`])),
  format: "esm",
  outdir: to,
});
await build({ ...common, entryPoints: ["src/host.ts"], format: "iife", outfile: `${to}/host.js` });
await build({ ...common, entryPoints: ["src/nnlens.css"], outfile: `${to}/nnlens.css` });
