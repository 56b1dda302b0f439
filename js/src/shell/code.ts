// The state of a view as a line of Python.

import type { Context } from "../model/context.ts";
import type { Scene } from "../model/scene.ts";

/** A text in Python's quotes. */
export const quoted = (text: string) => JSON.stringify(text);

/** `view = lens.method(image, options…)`: an image that came as a file is named, any other is left to fill in. */
export function call(context: Context, method: string, options: string[]): string {
  const { path } = context.get("photo");
  return `view = lens.${method}(${[path ? quoted(path) : "image", ...options].join(", ")})`;
}

export function targetOption(context: Context, scene: Scene): string {
  const label = scene.label(scene.target);
  const unique = context.get("labels").filter((name) => name === label).length === 1;
  return `target=${unique ? quoted(label) : scene.target}`;
}

export function layerOptions(context: Context): string[] {
  return [`layer=${quoted(context.get("layer"))}`, `unit=${context.get("unit")}`];
}

/** How activations are shown. */
export function displayOptions(context: Context): string[] {
  const grid = context.get("grid");
  const words = grid && `grid=${Array.isArray(grid) ? `(${grid.join(", ")})` : quoted(grid)}`;
  return [...(words ? [words] : []), `scale=${quoted(context.get("scale"))}`];
}

export function occluderOptions(context: Context): string[] {
  const options = [
    `size=${context.get("size")}`,
    `stride=${context.get("stride")}`,
    `fill=${quoted(context.get("fill"))}`,
  ];
  if (context.get("shape") === "circle") options.push('shape="circle"');
  return [...options, `score=${quoted(context.get("score"))}`];
}
