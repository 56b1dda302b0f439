// The time axis of a signal, stretched: the trace and the map below it scroll together.

import { ZoomIn, ZoomOut } from "lucide";
import { type Framed, isTrace } from "../../draw/framed.ts";
import type { Context } from "../../model/context.ts";
import { iconButton } from "../../ui/controls.ts";
import { h, onResize, say } from "../../ui/dom.ts";
import { lengthMark } from "../../ui/place.ts";
import { t } from "../../ui/text.ts";

const MOST = 16;
const WIDEST = 15000; // pixels of a canvas: browsers have limits

/** Adds the controls to the pane of a signal that has an occluder. */
export function stretchTime(context: Context): void {
  const panes = ["photo", "occlusion_map"].map((name) =>
    context.root.querySelector<HTMLElement>(`[data-pane="${name}"]`),
  );
  const canvases = panes.flatMap((pane) => [...(pane?.querySelectorAll<HTMLElement>(".nn-photo") ?? [])]);
  const tools = panes[0]?.querySelector(".nn-toolbar");
  if (!canvases.length || !tools || context.find("occlusion_map") === undefined) return;
  const scrollers = canvases.map((canvas) => {
    const scroller = h("div", { class: "nn-time" });
    canvas.before(scroller);
    scroller.append(canvas);
    return scroller;
  });
  const out = iconButton(ZoomOut, t("show more of the time"), () => stretch(zoom() / 2));
  const into = iconButton(ZoomIn, t("show less of the time, in more detail"), () => stretch(zoom() * 2));
  const shown = h("span", { class: "nn-soft nn-number", "aria-live": "polite" });
  tools.append(out, into, shown);

  const photo = () => context.get("photo") as Framed & { width: number };
  const zoom = () => photo().zoom ?? 1;
  const most = () => Math.min(MOST, Math.max(1, WIDEST / (photo().shown?.[0] ?? WIDEST), 1));

  const tell = () => {
    const trace = isTrace(photo()) && context.get("photo").kind === "signal";
    for (const part of [out, into, shown]) part.hidden = !trace;
    if (!trace) return;
    out.disabled = zoom() <= 1;
    into.disabled = zoom() * 2 > most();
    const [first] = scrollers;
    const [from, part] = first.scrollWidth
      ? [first.scrollLeft / first.scrollWidth, first.clientWidth / first.scrollWidth]
      : [0, 1 / zoom()];
    const mark = (share: number) => lengthMark(context, Math.round(Math.min(1, share) * photo().width));
    say(shown, zoom() > 1 ? t("{from} to {to}", { from: mark(from), to: mark(from + part) }) : "");
  };
  /** Stretch the time `to` times, around a share of what is shown. */
  const stretch = (to: number, around = 0.5) => {
    const next = Math.min(most(), Math.max(1, to));
    const [first] = scrollers;
    const centre = (first.scrollLeft + around * first.clientWidth) / Math.max(1, first.scrollWidth);
    photo().zoom = next;
    show();
    const left = centre * first.scrollWidth - around * first.clientWidth;
    for (const scroller of scrollers) scroller.scrollLeft = left;
    tell();
  };
  const show = () => {
    context.root.style.setProperty("--nn-zoom", String(isTrace(photo()) ? zoom() : 1));
    context.root.dispatchEvent(new Event("nn-theme")); // everything is drawn anew
  };
  for (const scroller of scrollers) {
    context.listen(scroller, "scroll", () => {
      for (const other of scrollers) {
        if (Math.abs(other.scrollLeft - scroller.scrollLeft) > 1) other.scrollLeft = scroller.scrollLeft;
      }
      tell();
    });
    context.listen(
      scroller,
      "wheel",
      (event: WheelEvent) => {
        if (!event.ctrlKey || !isTrace(photo()) || context.get("photo").kind !== "signal") return;
        event.preventDefault();
        const frame = scroller.getBoundingClientRect();
        stretch(zoom() * (event.deltaY < 0 ? 1.25 : 0.8), (event.clientX - frame.left) / frame.width);
      },
      { passive: false },
    );
    context.listen(scroller, "keydown", (event: KeyboardEvent) => {
      if (!isTrace(photo()) || !["+", "-"].includes(event.key)) return;
      stretch(event.key === "+" ? zoom() * 2 : zoom() / 2);
      event.preventDefault();
    });
  }
  // The letters of a trace are as large as before where the view becomes narrower.
  let wide = context.root.clientWidth;
  onResize(context, context.root, () => {
    if (Math.abs(context.root.clientWidth - wide) < 0.1 * wide) return;
    wide = context.root.clientWidth;
    show();
  });
  let before: unknown = null;
  context.watch(["photo"], () => {
    // Another signal begins with all of its time.
    if (before && before !== photo()) show();
    before = photo();
    tell();
  });
}
