// Icons of Lucide (https://lucide.dev, ISC licence), in the colour of the text around them.

import type { IconNode } from "lucide";

const SVG = "http://www.w3.org/2000/svg";

/** A picture without words: what it stands for is said by the control that holds it. */
export function icon(shapes: IconNode): SVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "nn-icon");
  svg.setAttribute("aria-hidden", "true");
  for (const [name, attributes] of shapes) {
    const shape = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, String(value));
    svg.append(shape);
  }
  return svg;
}
