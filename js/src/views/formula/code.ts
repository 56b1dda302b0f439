// The formula as LaTeX, Python and C.

import { Copy } from "lucide";
import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { copyButton } from "../../ui/copy.ts";
import { h, say } from "../../ui/dom.ts";
import { heading } from "../../ui/pane.ts";
import { plural, t } from "../../ui/text.ts";

type Language = "latex" | "python" | "c";

export function codePane(context: Context, _scene: Scene): HTMLElement {
  const title = heading(t("to copy"));
  const about = h("span", { class: "nn-soft" });
  const field = h("textarea", { class: "nn-code", readOnly: true, rows: 8, spellcheck: false });
  let language: Language = "python";
  const text = () => context.get("formula_code")?.[language] ?? "";
  const show = () => {
    field.value = text();
    field.setAttribute(
      "aria-label",
      t("the formula as {language}", { language: languages.select.selectedOptions[0]?.text }),
    );
    const digits = context.get("formula_code")?.digits ?? 0;
    say(about, digits ? plural("with {count} digit", "with {count} digits", digits) : "");
  };
  const languages = choice<Language>(
    t("language"),
    [
      ["python", "Python"],
      ["latex", "LaTeX"],
      ["c", "C"],
    ],
    (value) => {
      language = value;
      show();
    },
  );
  context.watch(["formula_code"], show);
  const tools = toolbar([languages, copyButton(field, Copy, t("copy the formula"), text)]);
  return h("div", {}, h("div", { class: "nn-head" }, title, about, tools), field);
}
