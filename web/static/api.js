// The gateway, and its errors as sentences.

import { inOneWord } from "./words.js";

const LISTS = ["movies", "recommendations", "similar", "history", "events"];

export class Problem extends Error {
  constructor(type, message) {
    super(message);
    this.type = type;
  }
}

async function request(path, { body, signal } = {}) {
  const started = performance.now();
  let response;
  try {
    response = await fetch(path, {
      signal,
      ...(body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("Offline", "This page cannot reach the server that it came from.");
  }
  const data = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw new Problem(data.type ?? "Unknown", data.message ?? `The server answered with status ${response.status}.`);
  }
  for (const name of LISTS) if (Array.isArray(data[name])) data[name].forEach(inOneWord);
  return {
    data,
    version: response.headers.get("X-Model-Version"),
    modelTime: Number(/model;dur=([\d.]+)/.exec(response.headers.get("Server-Timing"))?.[1]),
    time: performance.now() - started,
  };
}

export const predict = (model, body, signal) => request(`/api/predictions/${model}`, { body, signal });
export const models = async () => (await request("/api/models")).data.models;
export const movies = async (model) => (await request(`/api/movies/${model}`)).data.movies;
export const randomUser = async (model) => (await request(`/api/users/${model}/random`)).data.user_id;
export const visitor = async (name, signal) => (await request("/api/visitors", { body: { name }, signal })).data;
export const feedback = (events) => request("/api/feedback", { body: { events } });
export const health = async () => (await request("/health")).data;

// Deletes all of a visitor, or what they said about one movie.
export const forget = async (name, movie_id) => (await request("/api/visitors/forget", { body: { name, movie_id } })).data;

export async function search(model, query, signal) {
  const path = `/api/search/${model}?${new URLSearchParams({ q: query })}`;
  return (await request(path, { signal })).data.movies;
}
