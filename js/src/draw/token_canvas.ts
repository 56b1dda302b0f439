// A text drawn on a canvas, each token on a colour of its own, in lines as wide as the canvas.

import { sized } from "../ui/dom.ts";
import { css, inkOn } from "./colors.ts";

const LINE = 20;
const FONT = "12px ui-monospace, monospace";

export interface TokenBox {
  left: number;
  top: number;
  width: number;
}

export interface TokenDrawing {
  boxes: TokenBox[];
  height: number;
}

/** Where each token lies, in lines of a width. */
export function layTokens(pieces: string[], width: number, measure: (text: string) => number): TokenDrawing {
  const boxes: TokenBox[] = [];
  let [left, top] = [0, 0];
  for (const piece of pieces) {
    const wide = Math.min(width, measure(piece));
    if (left > 0 && left + wide > width) [left, top] = [0, top + LINE];
    boxes.push({ left, top, width: wide });
    left += wide;
  }
  return { boxes, height: top + LINE };
}

/** Draw the tokens; `look` gives the colour below each, and whether it is struck through or framed. */
export function drawTokens(
  canvas: HTMLCanvasElement,
  pieces: string[],
  width: number,
  ink: string,
  accent: string,
  look: (token: number) => { color: number | null; crossed?: boolean; framed?: boolean },
): TokenDrawing {
  const shown = pieces.map((piece) => piece.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll(" ", "\u00a0"));
  const ruler = canvas.getContext("2d")!;
  ruler.font = FONT;
  const drawing = layTokens(shown, width, (text) => ruler.measureText(text).width + 2);
  const pen = sized(canvas, width, drawing.height);
  pen.font = FONT;
  pen.textBaseline = "middle";
  for (const [token, box] of drawing.boxes.entries()) {
    const { color, crossed, framed } = look(token);
    let text = ink;
    if (color !== null) {
      pen.fillStyle = css(color);
      pen.fillRect(box.left, box.top + 1, box.width, LINE - 2);
      text = inkOn(color);
    }
    pen.fillStyle = text;
    pen.globalAlpha = crossed ? 0.45 : 1;
    pen.fillText(shown[token], box.left + 1, box.top + LINE / 2);
    if (crossed) pen.fillRect(box.left, box.top + LINE / 2, box.width, 1.5);
    pen.globalAlpha = 1;
    if (framed) {
      pen.strokeStyle = accent;
      pen.lineWidth = 1.5;
      pen.strokeRect(box.left + 0.75, box.top + 1.75, box.width - 1.5, LINE - 3.5);
    }
  }
  return drawing;
}

/** The token at a point of a drawing, given its shares of the height and of the width. */
export function tokenAt(drawing: TokenDrawing, width: number, down: number, across: number): number | null {
  const [x, y] = [across * width, down * drawing.height];
  const found = drawing.boxes.findIndex(
    (box) => x >= box.left && x < box.left + box.width && y >= box.top && y < box.top + LINE,
  );
  return found < 0 ? null : found;
}
