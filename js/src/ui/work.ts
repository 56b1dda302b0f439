// Long work, everywhere the same: what is done, how far it is, how long it still takes, and a button to stop or continue it.

import { Play, Square } from "lucide";
import { iconButton, rename } from "./controls.ts";
import { h, say } from "./dom.ts";
import { duration } from "./format.ts";
import { icon } from "./icons.ts";
import { t } from "./text.ts";

export interface Work {
  /** What is done and how far it is. */
  words: string;
  /** The part that is done, 0…1; null where it is not known. */
  share: number | null;
  running: boolean;
  /** Whether it can go on where it is not running. */
  canContinue?: boolean;
  /** Seconds left, where the kernel says so; else they are taken from the pace so far. */
  remaining?: number | null;
}

/** Seconds before the pace is known well enough to say how long it takes. */
const KNOWN_AFTER = 2;

export interface DataWork extends Work {
  /** Inputs of the data set that could not be read, and why. */
  skipped?: [number, string][];
}

export interface WorkLine {
  parts: [words: HTMLElement, progress: HTMLProgressElement, button: HTMLButtonElement];
  show(work: Work): void;
}

export function workLine(stop: () => void, resume: () => void): WorkLine {
  const words = h("span", { class: "nn-soft nn-name nn-count", "aria-live": "off" });
  const progress = h("progress", { max: 1, "aria-label": t("how much is done") });
  let running = false;
  const button = iconButton(Square, t("stop"), () => (running ? stop() : resume()));
  let begin: { at: number; share: number } | null = null;

  /** Seconds left by the pace since it began. */
  const left = ({ share, remaining }: Work): number | null => {
    if (remaining !== undefined) return remaining;
    if (share === null || !begin) return null;
    const [seconds, done] = [(Date.now() - begin.at) / 1000, share - begin.share];
    return seconds > KNOWN_AFTER && done > 0 ? (seconds * (1 - share)) / done : null;
  };
  const show = (work: Work) => {
    const { share } = work;
    running = work.running;
    if (!running || (begin && share !== null && share < begin.share)) begin = null;
    if (running && !begin && share !== null) begin = { at: Date.now(), share };
    const seconds = running ? left(work) : null;
    const time = seconds === null ? "" : t("about {time} left", { time: duration(seconds) });
    say(words, [work.words, time].filter(Boolean).join(", "));
    progress.hidden = !running || share === null;
    progress.value = share ?? 0;
    button.hidden = !running && !work.canContinue;
    rename(button, running ? t("stop") : t("continue"));
    button.replaceChildren(icon(running ? Square : Play));
  };
  return { parts: [words, progress, button], show };
}

/** Show long work over a data set, with the inputs that could not be read, and why. */
export function showDataWork(line: WorkLine, { skipped = [], ...work }: DataWork): void {
  const bad = skipped.length ? t("{count} could not be read", { count: skipped.length }) : "";
  line.show({ ...work, words: [work.words, bad].filter(Boolean).join(" · ") });
  line.parts[0].title = skipped.map(([item, why]) => `${item}: ${why}`).join("\n");
}
