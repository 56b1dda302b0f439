// Above the panes: what went wrong, and that what is shown is out of date.

import type { Context } from "../model/context.ts";
import { h, say } from "../ui/dom.ts";
import { t } from "../ui/text.ts";

export function errorNotice(context: Context): HTMLElement {
  const message = h("span");
  const trace = h("pre");
  const details = h("details", {}, h("summary", {}, t("traceback")), trace);
  const close = h(
    "button",
    { type: "button", "aria-label": t("dismiss"), onclick: () => context.set({ error: null }, false) },
    "×",
  );
  const box = h("div", { class: "nn-error", role: "alert", hidden: true }, h("div", {}, message, close), details);
  context.watch(["error"], () => {
    const error = context.get("error");
    box.hidden = !error;
    say(message, error?.message ?? "");
    say(trace, error?.traceback ?? "");
    details.hidden = !error?.traceback;
  });
  return box;
}

/** Says that what is shown is of a model that has changed since, or that the kernel does not answer. */
export function staleNotice(context: Context): HTMLElement {
  const words = h("span", { class: "nn-grow" });
  const button = h("button", { type: "button" }, t("compute again"));
  context.listen(button, "click", () => context.request("refresh"));
  const box = h("div", { class: "nn-changed nn-row", role: "status", hidden: true }, words, button);
  const update = () => {
    box.hidden = !context.silent && !(context.live && context.get("stale"));
    button.hidden = context.silent;
    say(
      words,
      context.silent
        ? t(
            "The kernel does not answer. It may be running a cell; if it was restarted, run the cell of this view again.",
          )
        : t("The model has changed since this was computed."),
    );
    context.root.classList.toggle("nn-old", !box.hidden);
  };
  context.watch(["stale"], update);
  context.onSilence(update);
  return box;
}
