// Builds what the package ships: one ES module per view, the host of saved pages, and the style sheet.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
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

// The specimen of every control and state, for those who work on the look: a page of the documentation.
const specimen = await build({ ...common, entryPoints: ["src/specimen.ts"], format: "iife", write: false });
const css = readFileSync(`${to}/nnlens.css`, "utf-8").trim();
writeFileSync(
  "../docs/contributing/specimen.html",
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>nnlens: every control and state</title><style>${css}
body{margin:16px;font:15px/1.5 system-ui,sans-serif}</style></head><body><main></main><script>${specimen.outputFiles[0].text.trim()}</script></body></html>
`,
);
