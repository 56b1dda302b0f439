// Which theory, what it says and what could refute it, the settings of its experiment, and what came out.

import { type Context, needsKernel } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { nearestPlace, textOf, valuesOf } from "../../model/theory.ts";
import type { TheorySetting, Traits } from "../../model/traits.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, say } from "../../ui/dom.ts";
import { short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";
import { workLine } from "../../ui/work.ts";

type Name = Traits["theory"];
const HELD = "theory|theory_settings";

export function theoryPane(context: Context, _scene: Scene): HTMLElement {
  const title = heading();
  const about = h("p", { class: "nn-prose" });
  const check = h("p", { class: "nn-prose nn-soft" });
  const outcome = h("div", { class: "nn-answer", "aria-live": "polite" });
  const sliders = h("div", { class: "nn-row nn-settings" });
  const work = workLine(
    () => context.request("cancel"),
    () => context.request("resume"),
  );
  const line = h("div", { class: "nn-now-line" }, ...work.parts);
  const pick = choice(t("theory"), [] as [Name, string][], (theory) => {
    context.set({ theory, theory_settings: heldText(theory) });
  });
  /** The settings with which a saved page has a theory; the usual ones while a kernel runs. */
  const heldText = (theory: string): string => {
    const held = (context.choices(HELD) ?? []).find((key) => key.startsWith(`${theory}|`));
    return held === undefined ? "" : held.slice(theory.length + 1);
  };
  let drawn = "";

  const change = (setting: TheorySetting, value: number | string) => {
    const settings = context.get("experiment")!.settings;
    const values = { ...valuesOf(settings, context.get("theory_settings")), [setting.name]: value };
    context.set({ theory_settings: textOf(settings, values) });
  };
  /** The values of a setting that can be had: in a saved page only those that it has charts for. */
  const reachable = (settings: TheorySetting[], setting: TheorySetting): (number | string)[] => {
    const held = context.choices(HELD);
    if (!held) return setting.values;
    const values = valuesOf(settings, context.get("theory_settings"));
    const keys = new Set(held);
    const here = [context.get("theory"), ""].join("|");
    return setting.values.filter(
      (value) =>
        value === values[setting.name] || keys.has(here + textOf(settings, { ...values, [setting.name]: value })),
    );
  };
  const control = (settings: TheorySetting[], setting: TheorySetting): HTMLElement => {
    const value = valuesOf(settings, context.get("theory_settings"))[setting.name];
    const there = reachable(settings, setting);
    const fixed = there.length < 2;
    if (typeof setting.usual === "string") {
      const options = setting.values.map((value, place): [string, string] => [String(value), setting.words[place]]);
      const made = choice(setting.label, options, (word) => change(setting, word));
      made.dataset.setting = setting.name;
      made.select.value = String(value);
      made.select.disabled = fixed;
      for (const option of made.select.options) option.disabled = !there.includes(option.value);
      if (fixed) made.title = needsKernel();
      return made;
    }
    const words = short(Number(value));
    const slider = h("input", {
      type: "range",
      min: 0,
      max: there.length - 1,
      step: 1,
      value: nearestPlace(there, value),
      disabled: fixed,
      "aria-valuetext": words,
      oninput: () => change(setting, there[Number(slider.value)]),
    });
    const element = h(
      "label",
      { class: "nn-control" },
      h("span", {}, setting.label),
      slider,
      h("span", { class: "nn-number" }, words),
    );
    element.dataset.setting = setting.name;
    if (fixed) element.title = needsKernel();
    return element;
  };
  /** Draw the settings anew, and give the focus back to the one that has it. */
  const drawSettings = () => {
    const found = context.get("experiment");
    if (!found) return;
    const made = JSON.stringify([context.get("theory"), context.get("theory_settings"), found.settings]);
    if (made === drawn) return;
    drawn = made;
    const focused = sliders.querySelector<HTMLElement>(":focus")?.closest<HTMLElement>("[data-setting]");
    sliders.replaceChildren(...found.settings.map((setting) => control(found.settings, setting)));
    const again = [...sliders.children].find(
      (element) => focused && (element as HTMLElement).dataset.setting === focused.dataset.setting,
    );
    again?.querySelector<HTMLElement>("input, select")?.focus();
  };
  context.watch(["theory", "theory_settings", "theories", "experiment"], () => {
    const found = context.get("experiment");
    const names = Object.entries(context.get("theories"));
    const held = context.choices(HELD);
    pick.select.replaceChildren(
      ...names.map(([name, words]) =>
        h(
          "option",
          {
            value: name,
            disabled: held ? name !== context.get("theory") && !held.some((key) => key.startsWith(`${name}|`)) : false,
          },
          words,
        ),
      ),
    );
    pick.select.value = context.get("theory");
    say(title, context.get("theories")[context.get("theory")] ?? "");
    if (!found) return;
    say(about, found.about);
    say(check, found.check);
    say(outcome, found.words);
    line.hidden = !found.running && found.share === 1;
    work.show({
      words: found.running ? t("running the experiment") : found.share < 1 ? t("stopped") : "",
      share: found.share,
      running: context.live && found.running,
      canContinue: context.live && !found.running && found.share < 1,
    });
    drawSettings();
  });
  return h(
    "div",
    {},
    h("div", { class: "nn-head" }, title, toolbar([!context.hides("choice") && pick])),
    about,
    context.hides("settings") ? null : sliders,
    line,
    outcome,
    check,
  );
}
