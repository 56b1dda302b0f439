import { quoted } from "../../shell/code.ts";
import { pane, stack, view } from "../../shell/frame.ts";
import { t } from "../../ui/text.ts";
import { headsPane } from "./heads.ts";
import { linksPane } from "./links.ts";
import { matrixPane } from "./matrix.ts";
import { patternsPane } from "./patterns.ts";
import { tokensPane } from "./tokens.ts";

export default view({
  name: "attention",
  rows: [
    [
      pane("heads", () => t("heads"), headsPane),
      pane("matrix", () => t("matrix"), matrixPane),
      stack(
        pane("tokens", () => t("tokens"), tokensPane),
        pane("patterns", () => t("heads in numbers"), patternsPane),
      ),
      pane("links", () => t("links"), linksPane),
    ],
  ],
  keys: () => [
    [t("heads: arrows"), t("choose a head")],
    [t("tokens: arrows"), t("choose a token")],
  ],
  code: (context) => {
    const path = context.get("photo")?.path;
    const text = context.get("text")?.text;
    const shown = text ? quoted(text) : path ? quoted(path) : "image";
    const number = context.get("attention_layers").findIndex(({ layer }) => layer === context.get("attention_layer"));
    return `view = lens.attention(${shown}, layer=${number}, head=${context.get("head")})`;
  },
});
