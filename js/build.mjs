// Builds what the package ships: one ES module per widget, the static host, and the style sheet.
import { build } from "esbuild";

const to = "../nnlens/static";
const common = { bundle: true, minify: true, target: "es2022", legalComments: "none", logLevel: "warning" };

await build({
  ...common,
  entryPoints: ["explorer", "activations", "occlusion", "unit", "examples", "attribution"].map((name) => `src/widgets/${name}.ts`),
  format: "esm",
  outdir: to,
});
await build({ ...common, entryPoints: ["src/host.ts"], format: "iife", outfile: `${to}/host.js` });
await build({ ...common, entryPoints: ["src/nnlens.css"], outfile: `${to}/nnlens.css` });
