// The report in headless Chromium: `node report.mjs FOLDER_OF_MODULES CHROMIUM FILE.html`; prints one JSON object.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, chromium, file] = process.argv.slice(2);
const need = createRequire(`${folder}/package.json`);
const { default: puppeteer } = await import(pathToFileURL(need.resolve("puppeteer-core")).href);
const axe = readFileSync(need.resolve("axe-core/axe.min.js"), "utf8");
const browser = await puppeteer.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-gpu"] });
const page = await browser.newPage();
const asked = [];
const troubles = [];
page.on("request", (request) => asked.push(request.url()));
page.on("console", (message) => troubles.push(message.text()));
page.on("pageerror", (error) => troubles.push(String(error)));
const url = pathToFileURL(file).href;

async function findings() {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => await globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return {
    passes: found.passes.length,
    violations: found.violations.map((item) => ({
      id: item.id, impact: item.impact, help: item.help, count: item.nodes.length, first: item.nodes[0].html.slice(0, 200),
    })),
    unsure: found.incomplete.map((item) => `${item.id} (such as ${item.nodes[0].html.slice(0, 80)})`),
  };
}

const result = { views: [], asked, troubles };
for (const scheme of ["light", "dark"]) {
  for (const width of [320, 768, 1440]) {
    await page.setViewport({ width, height: 900 });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await page.goto(url);
    await page.evaluate(() => document.querySelectorAll("details").forEach((item) => { item.open = true; }));
    const sideways = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    result.views.push({ view: `${width} px, ${scheme}`, sideways, ...(await findings()) });
  }
}
await page.emulateMediaFeatures([]);
await page.setViewport({ width: 1100, height: 900 });
await page.goto(url);
const folded = () => page.evaluate(
  () => [...document.querySelectorAll("details:not([open]) > :not(summary)")].filter((item) => !item.checkVisibility()).length,
);
const control = await folded();
await page.emulateMediaType("print");
result.print = { closed: await folded(), control, ...(await findings()) };
const pdf = Buffer.from(await page.pdf({ preferCSSPageSize: true }));
result.print.pages = (pdf.toString("latin1").match(/\/Type\s*\/Page\b/g) || []).length;

await page.emulateMediaType("screen");
await page.goto(url);
const focused = () => page.evaluate(() => {
  const at = document.activeElement;
  const style = getComputedStyle(at);
  return {
    tag: at.tagName, href: at.getAttribute("href"), ring: style.outlineStyle !== "none",
    seen: at.getBoundingClientRect().left >= 0, last: at === document.body,
  };
});
const order = [];
for (let n = 0; n < 5000; n++) {
  await page.keyboard.press("Tab");
  const at = await focused();
  if (at.last) break;
  order.push(at);
}
const all = await page.evaluate(
  () => [...document.querySelectorAll("a[href], summary, [tabindex='0']")].filter((item) => item.checkVisibility({ contentVisibilityAuto: true })).length,
);
await page.goto(url);
await page.keyboard.press("Tab");
await page.keyboard.press("Enter");
const jumped = await page.evaluate(() => location.hash);
await page.focus("summary");
await page.keyboard.press("Enter");
const opened = await page.evaluate(() => document.querySelector("details").open);
result.keyboard = {
  stops: order.length, all, first: order[0].href, jumped, opened,
  unseen: order.filter((at) => !at.ring || !at.seen).length,
};
await browser.close();
console.log(JSON.stringify(result));
