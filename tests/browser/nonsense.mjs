// node nonsense.mjs SERVER COUNT: a busy page opens so many sessions of WebTransport with SERVER (HOST:PORT), says
// something on each that cannot be read, and reads nothing. Says [{code,reason}, ...]: what `closed` says of each, or
// {error}.
import { launch, openPage, tell } from "./browser.mjs";

const [server, count] = process.argv.slice(2);
const certificate = await (await fetch(`http://${server}/api/certificate`)).json();

const browser = await launch();
try {
  const { page } = await openPage(browser);
  await page.goto(`http://${server}/`);
  tell(await page.evaluate(async ([{ webtransport_url, hashes }, count]) => {
    const serverCertificateHashes = hashes.map(({ algorithm, value }) =>
      ({ algorithm, value: Uint8Array.from(atob(value), (c) => c.charCodeAt(0)) }));
    const isTold = async () => {
      const transport = new WebTransport(webtransport_url, { serverCertificateHashes });
      transport.closed.catch(() => {});
      try {
        await transport.ready;
        const control = await transport.createBidirectionalStream();
        const text = new TextEncoder().encode("{nonsense");
        control.writable.getWriter().write(new Uint8Array([text.length, ...text])).catch(() => {});
        const { closeCode, reason } = await transport.closed;
        return { code: closeCode, reason };
      } catch (error) {
        return { error: String(error) };
      }
    };
    // Mostly it does something else, as a page that loads a game does: what its network has heard, it hears late.
    const work = setInterval(() => {
      const until = performance.now() + 150;
      while (performance.now() < until);
    }, 160);
    const told = await Promise.all(Array.from({ length: count }, isTold));
    clearInterval(work);
    return told;
  }, [certificate, Number(count)]));
} finally {
  await browser.close();
}
