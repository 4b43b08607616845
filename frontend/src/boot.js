const boot = document.getElementById("boot");
const idle = window.requestIdleCallback ?? ((run) => setTimeout(run, 1));
idle(async () => {
  const client = await import(boot.dataset.js);
  await client.default({ module_or_path: boot.dataset.wasm });
  client.hydrate();
  for (const island of document.querySelectorAll("leptos-island")) {
    client[island.dataset.component]?.(island);
  }
  document.documentElement.dataset.ready = "";
});
