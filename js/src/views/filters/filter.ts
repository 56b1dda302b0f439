// The chosen filter: its pattern beside the Gabor function that fits it, and its numbers beside those of noise.

import { picture } from "../../draw/texture.ts";
import { bankOf } from "../../model/bank.ts";
import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import type { Texture } from "../../model/traits.ts";
import { h, say, sized } from "../../ui/dom.ts";
import { fixed, percent, short } from "../../ui/format.ts";
import { heading, picturePane } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";

const SIDE = 150;

/** Draw a texture as large as `side` allows, in its own proportions. */
export function enlarge(canvas: HTMLCanvasElement, drawn: HTMLCanvasElement, side: number): void {
  const ratio = Math.min(6, Math.max(1 / 6, drawn.height / drawn.width));
  const [width, height] = ratio > 1 ? [side / ratio, side] : [side, side * ratio];
  const pen = sized(canvas, width, height);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(drawn, 0, 0, width, height);
}

export function filterPane(context: Context, scene: Scene): HTMLElement {
  const title = heading();
  const own = h("canvas", { class: "nn-photo nn-plain", role: "img", "aria-label": t("the filter") });
  const fit = h("canvas", { class: "nn-photo nn-plain", role: "img", "aria-label": t("fitted Gabor") });
  const [ownName, fitName] = [h("div", { class: "nn-soft nn-name" }), h("div", { class: "nn-soft nn-name" })];
  const fitted = h("div", { class: "nn-framed" }, fit, fitName);
  const both = h("div", { class: "nn-beside" }, h("div", { class: "nn-framed" }, own, ownName), fitted);
  const facts = h("dl", { class: "nn-facts" });
  const similar = h("span", { class: "nn-row" });
  const beside = h("span", { class: "nn-soft" }, t("similar:"));

  const show = (canvas: HTMLCanvasElement, texture: Texture, words: string) => {
    enlarge(canvas, picture(scene, texture), SIDE);
    canvas.setAttribute("aria-label", words);
  };
  const draw = () => {
    const detail = context.get("detail");
    if (!detail) return;
    show(own, detail.pattern, detail.words);
    const { gabor } = detail;
    fitted.hidden = !gabor;
    if (gabor) show(fit, gabor.texture, t("the Gabor function that fits it best"));
  };
  const tell = () => {
    const [detail, bank] = [context.get("detail"), bankOf(context)];
    if (!detail) return;
    say(title, t("filter {filter}", { filter: detail.filter }));
    say(
      ownName,
      detail.share === null || detail.pattern.colours || detail.share > 0.9999 ? t("the filter") : t("its pattern"),
    );
    ownName.title =
      detail.share === null || detail.pattern.colours
        ? ""
        : t("{share} of its squared weights: the best product of channels and picture", {
            share: percent(detail.share),
          });
    say(fitName, t("fitted Gabor"));
    fitName.title = detail.gabor
      ? t(
          "{angle}°, {frequency} / px, envelope {along} × {across} px (standard deviations along and across the wave)",
          {
            angle: fixed(detail.gabor.angle ?? 0, 0),
            frequency: short(detail.gabor.frequency ?? 0, 2),
            along: short(detail.gabor.sigma[0], 2),
            across: short(detail.gabor.sigma[1], 2),
          },
        )
      : "";
    const number = (value: number | null) => (value === null ? "–" : short(value));
    const rows: [string, string, string?][] = [
      [t("norm"), short(detail.norm)],
      [t("mean"), short(detail.mean)],
      [t("skewness"), number(detail.skewness), t("0 if its weights are symmetric")],
      [t("excess kurtosis"), number(detail.kurtosis), t("0 if normal, −1.2 if uniform")],
    ];
    if (detail.angle !== null && detail.frequency !== null) {
      rows.push([t("direction"), `${fixed(detail.angle, 0)}°`, t("in which the strongest wave varies")]);
      rows.push([
        t("frequency"),
        t("{frequency} / px", { frequency: short(detail.frequency, 2) }),
        t("cycles per pixel"),
      ]);
    }
    const { gabor } = detail;
    if (gabor?.r_squared != null && bank?.noise) {
      rows.push([
        t("Gabor R²"),
        t("{value} (noise {median}, at most {most})", {
          value: fixed(gabor.r_squared, 2),
          median: fixed(bank.noise[0], 2),
          most: fixed(bank.noise[1], 2),
        }),
        t("the same fit to 64 patterns of noise of this size"),
      ]);
    }
    facts.replaceChildren(
      ...rows.map(([name, value, meaning]) =>
        h("div", { title: meaning }, h("dt", {}, name), h("dd", { class: "nn-name", title: value }, value)),
      ),
    );
    similar.replaceChildren(
      beside,
      ...detail.similar.map(([filter, cosine]) =>
        h(
          "button",
          {
            type: "button",
            class: "nn-link",
            title: t("filter {filter}: cosine {cosine}", { filter, cosine: fixed(cosine, 2) }),
            onclick: () => context.set({ filter }),
          },
          `${filter} (${fixed(cosine, 2)})`,
        ),
      ),
    );
    beside.hidden = !detail.similar.length;
  };
  context.watch(["detail"], draw);
  context.watch(["detail", "bank"], tell);
  context.watch(["detail", "filter", "weight"], () => {
    const detail = context.get("detail");
    const current = detail?.filter === context.get("filter") && detail.weight === context.get("weight");
    both.classList.toggle("nn-stale", !current);
  });
  context.onTheme(draw);
  return picturePane(title, both, [facts], [similar], null);
}
