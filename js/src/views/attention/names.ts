// What the tokens along the two axes of attention are called, and which one is looked at.

import { chosenHeads } from "../../model/attention.ts";
import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { tokensOf } from "../../model/tokens.ts";

/** A token's name along an axis. */
export function tokenName(context: Context, axis: "query" | "key", token: number): string {
  const payload = chosenHeads(context)?.payload;
  const names = axis === "query" ? payload?.query_names : payload?.key_names;
  if (names) return names[token] ?? String(token);
  return tokensOf(context.get("text"))?.piece(token) ?? String(token);
}

/** The name as a label: quotes around what is text, breaks made visible. */
export function labelled(context: Context, axis: "query" | "key", token: number): string {
  const payload = chosenHeads(context)?.payload;
  const names = axis === "query" ? payload?.query_names : payload?.key_names;
  const name = tokenName(context, axis, token);
  return names && payload?.grid ? name : `“${JSON.stringify(name).slice(1, -1)}”`;
}

/** The axis along which a token is chosen, and the one along which its weights lie. */
export function axes(context: Context): { from: "query" | "key"; to: "query" | "key" } {
  return context.get("direction") === "reads" ? { from: "query", to: "key" } : { from: "key", to: "query" };
}

/** The token that is looked at: the hovered one, else the chosen one. */
export function lookedAt(context: Context, scene: Scene): number {
  const heads = chosenHeads(context);
  const count = heads ? (axes(context).from === "query" ? heads.queries : heads.keys) : 1;
  const usual = heads?.payload.extra ? 0 : count - 1; // a class token, else the last one
  const chosen = scene.selected.hover?.[1] ?? context.get("token") ?? usual;
  return Math.min(count - 1, Math.max(0, chosen));
}
