// Asks again and again whether the caller may still look: pictures must not outlive the permission.

import { get } from "./api.js";

const EVERY = 2000; // ms: a page goes blank within three seconds (docs/hazards.md)

/** Watch over the permission by an address that it opens; a 304 shows nothing and costs nearly nothing.

`answered` is told whenever the server answers: no browser knows as surely whether it can be reached. */
export function watch(path, refused = () => {}, answered = () => {}) {
  let etag = "";
  let timer = 0;

  async function look() {
    clearTimeout(timer);
    if (document.visibilityState === "visible") {
      const answer = await get(path, etag ? { "If-None-Match": etag } : {}).catch(() => null);
      if (answer && [403, 404, 410].includes(answer.status)) return refused();
      if (answer?.status === 401) return undefined;
      etag = answer?.headers.get("ETag") ?? etag;
      if (answer) answered();
    }
    timer = setTimeout(look, EVERY);
    return undefined;
  }

  document.addEventListener("visibilitychange", look);
  timer = setTimeout(look, EVERY);
  return () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", look);
  };
}
