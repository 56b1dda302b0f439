// The picture of an input on a canvas: what is drawn over it is placed by the input's rows and columns.

import { sized } from "../ui/dom.ts";

/** What a picture is of: its rows and columns, and its proportions where these are others, as of a signal. */
export interface Framed {
  width: number;
  height: number;
  shown?: number[];
  /** How far the time of a signal is stretched: `views/inputs/time.ts` sets it, it is never sent. */
  zoom?: number;
}

/** The proportions of a picture as it is shown. */
export const shownSize = ({ width, height, shown, zoom }: Framed): [number, number] =>
  shown ? [shown[0] * (zoom ?? 1), shown[1]] : [width, height];

/** A signal or a vector: laid out as an image of one row, and shown as a trace. */
export const isTrace = (photo: Framed | null | undefined): boolean => Boolean(photo?.shown);

/** Prepare a canvas for a picture, at least `side` pixels on its longer side; the pen is in columns and rows. */
export function framed(canvas: HTMLCanvasElement, photo: Framed, side = 448): CanvasRenderingContext2D {
  const [width, height] = shownSize(photo);
  const by = Math.max(1, side / Math.max(width, height));
  const pen = sized(canvas, width * by, height * by);
  pen.scale((width * by) / photo.width, (height * by) / photo.height);
  return pen;
}

/** Stroke the pen's path with a line of even width, in CSS pixels, however the picture is stretched. */
export function strokeEvenly(pen: CanvasRenderingContext2D, width: number, color: string, dash: number[] = []): void {
  const before = pen.getTransform();
  const ratio = window.devicePixelRatio || 1;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.lineWidth = width;
  pen.strokeStyle = color;
  pen.setLineDash(dash);
  pen.stroke();
  pen.setLineDash([]);
  pen.setTransform(before);
}
