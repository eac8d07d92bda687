// Where an EHR starts the app: goes on to the login at the server that the EHR named.

import { authorize, settings } from "./smart.js";

const state = document.getElementById("state");
const asked = new URLSearchParams(location.search);

try {
  const { client, server } = await settings();
  const iss = asked.get("iss");
  // An app goes only where it is registered: anybody can send a browser here with another address.
  if (iss !== server) throw new Error(`This app works with ${server} only.`);
  if (!asked.get("launch")) throw new Error("An EHR starts this page, with a launch value.");
  await authorize(iss, client, asked.get("launch"));
} catch (error) {
  state.textContent = error.message;
}
