// A text as its tokens, each on a colour of its own. Only the lines that are seen are in the page.

import { css, inkOn } from "../draw/colors.ts";
import type { Context } from "../model/context.ts";
import type { Tokens } from "../model/tokens.ts";
import { h, onResize } from "./dom.ts";

export interface TokenLook {
  tokens(): Tokens | null;
  /** The packed colour below a token; null for none. */
  color(token: number): number | null;
  /** Lines below a token. */
  under?(token: number): string[] | null;
  /** How many lines there are below each token. */
  lines?(): number;
  /** Whether a token is framed. */
  marked?(token: number): boolean;
  selected(): number | null;
  hovered(token: number | null): void;
  picked(token: number): void;
  /** Called when several tokens were marked by dragging: the first and the one after the last. */
  dragged?(first: number, end: number): void;
  label(): string;
}

export interface TokenText {
  element: HTMLElement;
  /** Lay the text out again: the tokens, or the lines below them, have changed. */
  layout(): void;
  /** Paint what is seen again: colours or marks have changed. */
  paint(): void;
  /** Mark a token that is hovered elsewhere. */
  hover(token: number | null): void;
  /** Scroll to a token. */
  reveal(token: number): void;
}

const LINE = 20;
const UNDER = 13;
const SPARE = 4; // lines above and below what is seen
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}/u;

/** How many columns of a fixed-width font a text takes. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text) {
    if (/\p{M}|\u200d|[\ufe00-\ufe0f]/u.test(character)) continue;
    columns += WIDE.test(character) ? 2 : 1;
  }
  return columns;
}

/** The first token of each line, and one past the last token. */
export function breakLines(
  count: number,
  width: (token: number) => number,
  ends: (token: number) => boolean,
  columns: number,
) {
  const lines = [0];
  let at = 0;
  for (let token = 0; token < count; token++) {
    const wide = width(token);
    if (at > 0 && at + wide > columns) {
      lines.push(token);
      at = 0;
    }
    at += wide;
    if (ends(token) && token + 1 < count) {
      lines.push(token + 1);
      at = 0;
    }
  }
  lines.push(count);
  return lines;
}

/** What is shown for a token: line breaks and tabs are seen. */
function glyphs(piece: string): string {
  return piece.replaceAll("\r", "").replaceAll("\n", "↵").replaceAll("\t", "⇥");
}

export function tokenText(context: Context, look: TokenLook): TokenText {
  const space = h("div", { class: "nn-text-space" });
  const ruler = h("span", { class: "nn-ruler", "aria-hidden": "true" }, "0".repeat(50));
  const box = h("div", { class: "nn-text", tabindex: 0, role: "application" }, ruler, space);
  let lines: number[] = [0, 0];
  let shown = { first: 0, last: -1 };
  let hovered: number | null = null;
  let dragging: { from: number; to: number } | null = null;

  const height = () => LINE + UNDER * (look.lines?.() ?? 0) + (look.lines?.() ? 4 : 0);
  const width = (tokens: Tokens, token: number): number => {
    const own = columnsOf(glyphs(tokens.piece(token)));
    const below = look.under?.(token)?.map((word) => columnsOf(word)) ?? [];
    return Math.max(own, ...below.map((columns) => Math.min(8, Math.ceil(columns * 0.8)))) || 1;
  };
  const inDrag = (token: number) =>
    dragging !== null && token >= Math.min(dragging.from, dragging.to) && token <= Math.max(dragging.from, dragging.to);

  const dress = (element: HTMLElement, token: number) => {
    element.classList.toggle("nn-token-selected", token === look.selected());
    element.classList.toggle("nn-token-hovered", token === hovered);
    element.classList.toggle("nn-token-marked", Boolean(look.marked?.(token)) || inDrag(token));
  };
  const spanOf = (tokens: Tokens, token: number, columns: (token: number) => number): HTMLElement => {
    const color = look.color(token);
    const classes = ["nn-token"];
    if (tokens.isMark(token)) classes.push("nn-token-special");
    if (tokens.unknown.has(token)) classes.push("nn-token-unknown");
    const piece = h("span", { class: classes.join(" "), "data-token": token }, glyphs(tokens.piece(token)));
    if (color !== null) {
      piece.style.background = css(color);
      piece.style.color = inkOn(color);
    }
    dress(piece, token);
    const below = look.under?.(token);
    if (!below) return piece;
    const stack = h(
      "span",
      { class: "nn-token-stack", style: `width:${columns(token)}ch`, "data-token": token },
      piece,
    );
    for (const word of below) stack.append(h("span", { class: "nn-token-under" }, glyphs(word)));
    return stack;
  };

  const render = () => {
    const tokens = look.tokens();
    if (!tokens) {
      space.replaceChildren();
      return;
    }
    const each = height();
    const first = Math.max(0, Math.floor(box.scrollTop / each) - SPARE);
    const last = Math.min(lines.length - 2, Math.ceil((box.scrollTop + box.clientHeight) / each) + SPARE);
    shown = { first, last };
    const made = [];
    for (let line = first; line <= last; line++) {
      const row = h("div", { class: "nn-text-line", dir: "auto", style: `top:${line * each}px;height:${each}px` });
      for (let token = lines[line]; token < lines[line + 1]; token++)
        row.append(spanOf(tokens, token, (at) => width(tokens, at)));
      made.push(row);
    }
    space.replaceChildren(...made);
  };
  const layout = () => {
    const tokens = look.tokens();
    const wide = ruler.getBoundingClientRect().width / 50 || 7.2;
    const columns = Math.max(16, Math.floor((box.clientWidth - 20) / wide));
    lines = tokens
      ? breakLines(
          tokens.count,
          (token) => width(tokens, token),
          (token) => !tokens.isMark(token) && tokens.piece(token).includes("\n"),
          columns,
        )
      : [0, 0];
    space.style.height = `${(lines.length - 1) * height()}px`;
    render();
  };
  const redress = () => {
    for (const element of space.querySelectorAll<HTMLElement>(".nn-token"))
      dress(element, Number(element.dataset.token));
  };
  const lineOf = (token: number) => {
    let [low, high] = [0, lines.length - 2];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (lines[middle] <= token) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  const reveal = (token: number) => {
    const top = lineOf(token) * height();
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + height() > box.scrollTop + box.clientHeight) box.scrollTop = top + height() - box.clientHeight;
  };
  const at = (event: Event): number | null => {
    const found = (event.target as Element).closest<HTMLElement>("[data-token]");
    return found ? Number(found.dataset.token) : null;
  };
  const hover = (token: number | null) => {
    if (token === hovered) return;
    hovered = token;
    redress();
  };

  context.listen(box, "scroll", () => {
    const first = Math.floor(box.scrollTop / height());
    const last = Math.ceil((box.scrollTop + box.clientHeight) / height());
    // Lines are made before they are seen.
    if (first < shown.first + 1 || last > shown.last - 1) render();
  });
  context.listen(box, "pointermove", (event) => {
    const token = at(event);
    if (dragging && token !== null) {
      dragging.to = token;
      redress();
    }
    hover(token);
    look.hovered(token);
  });
  context.listen(box, "pointerleave", () => {
    hover(null);
    look.hovered(null);
  });
  context.listen(box, "pointerdown", (event) => {
    const token = at(event);
    if (token === null || event.button !== 0) return;
    dragging = { from: token, to: token };
  });
  const finish = () => {
    if (!dragging) return;
    const { from, to } = dragging;
    dragging = null;
    if (from === to || !look.dragged) look.picked(from);
    else look.dragged(Math.min(from, to), Math.max(from, to) + 1);
    redress();
  };
  context.listen(box, "pointerup", finish);
  context.listen(box.ownerDocument, "pointerup", finish);
  context.listen(box, "keydown", (event) => {
    const tokens = look.tokens();
    if (!tokens) return;
    const now = look.selected() ?? 0;
    const line = lineOf(now);
    const across = now - lines[line];
    const inLine = (to: number) => Math.min(lines[to] + across, lines[to + 1] - 1);
    const to: Record<string, number> = {
      ArrowLeft: now - 1,
      ArrowRight: now + 1,
      ArrowUp: line > 0 ? inLine(line - 1) : now,
      ArrowDown: line < lines.length - 2 ? inLine(line + 1) : now,
      Home: lines[line],
      End: lines[line + 1] - 1,
    };
    if (!(event.key in to)) return;
    event.preventDefault();
    const token = Math.min(tokens.count - 1, Math.max(0, to[event.key]));
    reveal(token);
    look.picked(token);
  });
  onResize(context, box, layout);
  return {
    element: box,
    layout() {
      layout();
      box.setAttribute("aria-label", look.label());
    },
    paint() {
      render();
      box.setAttribute("aria-label", look.label());
    },
    hover,
    reveal,
  };
}
