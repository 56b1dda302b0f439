// Does the unit matter? The classes with and without it, of this image and over a data set.

import { type Context, needsKernel } from "../../model/context.ts";
import { amount } from "../../model/meaning.ts";
import type { Scene } from "../../model/scene.ts";
import { hasFailed } from "../../model/selected.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, say } from "../../ui/dom.ts";
import { percent, signed } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { plural, t } from "../../ui/text.ts";
import { heldWords } from "../../ui/unit_links.ts";
import { workLine } from "../../ui/work.ts";

export function ablationPane(context: Context, scene: Scene): HTMLElement {
  const list = h("div", { class: "nn-bars" });
  const verdict = h("div", { "aria-live": "polite" });
  const over = h("div", { class: "nn-links" });
  const overWords = h("div", { class: "nn-soft", "aria-live": "polite" });
  const work = workLine(
    () => context.request("ablation_stop"),
    () => context.request("ablation_run"),
  );
  const replacement = choice(
    t("replace with"),
    [
      ["zero", "0"],
      ["mean", t("its mean on this image")],
    ],
    (value) => context.set({ replacement: value }),
  );
  const all = h("button", { type: "button" }, t("over the data set"));
  const running = () => Boolean(context.get("dataset_ablation")?.running);
  context.listen(all, "click", () => context.request("ablation_run"));
  if (!context.live) {
    const held = context.choices("replacement") ?? [];
    for (const option of replacement.select.options) option.disabled = !held.includes(option.value);
    all.disabled = true;
    all.title = needsKernel();
  }

  const draw = () => {
    const payload = context.get("ablation");
    const mine = scene.selected.is(payload);
    const results = payload && "classes" in payload ? payload : null;
    list.classList.toggle("nn-stale", !mine || results?.replacement !== context.get("replacement"));
    replacement.select.value = context.get("replacement");
    const failed = mine && hasFailed(payload) ? payload.error : "";
    if (failed || (!context.live && !mine)) {
      list.replaceChildren();
      say(verdict, failed || heldWords(payload));
      return;
    }
    if (!results) return;
    list.replaceChildren(
      ...results.classes.map((index, slot) => {
        const [before, after] = [results.clean[slot], results.probability[slot]];
        const [clean, now] = [h("span", { class: "nn-clean" }), h("span", { class: "nn-now" })];
        clean.style.left = `${before * 100}%`;
        now.style.width = `${after * 100}%`;
        return h(
          "div",
          { class: "nn-bar" },
          h("span", { class: "nn-name", title: scene.label(index) }, scene.label(index)),
          h("span", { class: "nn-track" }, now, clean),
          h("span", { class: "nn-number" }, `${amount(context, before)} → ${amount(context, after)}`),
        );
      }),
    );
    const most = results.clean
      .map((before, index) => [results.classes[index], results.probability[index] - before])
      .reduce((largest, change) => (Math.abs(change[1]) > Math.abs(largest[1]) ? change : largest));
    const top = (shares: number[]) => scene.label(results.classes[shares.indexOf(Math.max(...shares))]);
    const [before, after] = [top(results.clean), top(results.probability)];
    const first = results.top_class_changed
      ? t("without it {after} is on top, not {before}", { after, before })
      : t("without it {before} stays on top", { before });
    const moved =
      Math.abs(most[1]) < 0.005
        ? t("no class changes by as much as half a percent")
        : t("{label} changes most, by {change}", { label: scene.label(most[0]), change: signed(most[1]) });
    say(verdict, `${first}; ${moved}`);
  };

  const drawAll = () => {
    const results = context.get("dataset_ablation");
    const mine = scene.selected.is(results);
    const { done = 0, total = 0 } = results ?? {};
    work.show({
      words: running() ? t("{done} of {total} images", { done, total }) : "",
      share: total ? done / total : null,
      running: running(),
    });
    if (context.live) all.disabled = running() || !context.get("search")?.total;
    if (context.live)
      all.title = all.disabled
        ? t("needs a data set: open one with {code}", { code: "lens.examples(dataset, layers=[…])" })
        : "";
    over.hidden = overWords.hidden = !results?.total || !mine;
    if (!mine || !results.total) return;
    if (results.error) {
      say(overWords, results.error);
      return;
    }
    if (!results.seen) return;
    const { seen } = results;
    const images =
      done < total
        ? t("{done} of {total} images so far", { done, total })
        : plural("{count} image", "{count} images", seen, { count: seen });
    say(
      overWords,
      t("{images}: another class on top in {count} ({share}); mean change of the probability:", {
        images,
        count: results.top_class_changes,
        share: percent(results.top_class_changes / seen),
      }),
    );
    over.replaceChildren(
      ...results.classes.map(([index, change]) =>
        h("div", { class: "nn-row" }, h("span", { class: "nn-grow nn-name" }, scene.label(index)), signed(change, 4)),
      ),
    );
  };
  context.watch(["ablation", "layer", "unit", "labels", "replacement"], draw);
  context.watch(["dataset_ablation", "search", "layer", "unit", "labels"], drawAll);
  return h(
    "div",
    {},
    heading(t("ablation")),
    list,
    verdict,
    overWords,
    over,
    h("div", { class: "nn-now-line" }, ...work.parts),
    toolbar([all], [replacement]),
  );
}
