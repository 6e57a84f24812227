// What the console does better with a script. Every page works without it.
"use strict";

(() => {
    const content = () => document.getElementById("content-main");

    // How long ago, kept true while the page stays open. Says it as display.span does.
    function span(seconds) {
        if (seconds < 60) return `${seconds} s`;
        if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
        const minutes = Math.floor(seconds / 60);
        const hours = Math.floor(minutes / 60);
        if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
        return `${Math.floor(hours / 24)} d`;
    }

    // The server's clock is the one that counts; the page tells how far this one is from it.
    let ahead = 0;
    function tellAges() {
        const now = Date.now() - ahead;
        for (const shown of document.querySelectorAll(".ago[data-since]")) {
            const seconds = Math.round((now - Date.parse(shown.dataset.since)) / 1000);
            const words = span(Math.abs(seconds));
            shown.textContent = seconds < 0 ? `in ${words}` : `${words} ago`;
        }
    }

    // Load the content again, quietly: never while something is typed, chosen or selected.
    let timer = 0;
    let failures = 0;
    function isBusy() {
        const active = document.activeElement;
        const typing = active && active.matches("input, select, textarea");
        const selecting = !window.getSelection().isCollapsed;
        return document.hidden || typing || selecting || document.querySelector("dialog[open]");
    }

    function schedule(seconds) {
        window.clearTimeout(timer);
        timer = window.setTimeout(() => reload(false), seconds * 1000);
    }

    function say(words) {
        const freshness = document.getElementById("freshness");
        if (freshness) freshness.textContent = words;
    }

    async function reload(asked) {
        const every = Number(content()?.dataset.refreshSeconds || 0);
        if (!every && !asked) return;
        if (!asked && isBusy()) {
            schedule(every);
            return;
        }
        try {
            const answer = await fetch(window.location.href, {credentials: "same-origin"});
            if (answer.redirected && new URL(answer.url).pathname !== window.location.pathname) {
                say("You are logged out: load the page again to log in.");
                return;
            }
            if (!answer.ok) throw new Error(`the portal answered ${answer.status}`);
            const loaded = new DOMParser().parseFromString(await answer.text(), "text/html");
            const fresh = loaded.getElementById("content-main");
            if (!fresh) throw new Error("the answer is not this page");
            takeOver(fresh);
            failures = 0;
            const at = new Date(Date.now() - ahead).toISOString().slice(0, 19).replace("T", " ");
            say(every ? `Loaded again ${at} UTC; every ${every} s.` : `Loaded again ${at} UTC.`);
        } catch (error) {
            failures += 1;
            say(`This page could not be loaded again (${error.message}): what it shows is old.`);
        }
        const next = Number(content()?.dataset.refreshSeconds || 0);
        if (next) schedule(next * Math.min(failures + 1, 5));
    }

    function takeOver(fresh) {
        const old = content();
        const open = [...old.querySelectorAll("details")].map((each) => each.open);
        const focused = old.contains(document.activeElement) ? place(document.activeElement) : null;
        old.replaceWith(document.importNode(fresh, true));
        [...content().querySelectorAll("details")].forEach((each, at) => {
            if (open[at]) each.open = true;
        });
        if (focused) links().find((each) => place(each) === focused)?.focus({preventScroll: true});
        tellAges();
    }

    // Keys.
    const place = (element) => element.id || element.getAttribute("href");
    const links = () => [...content().querySelectorAll("a[href], button")];
    const rows = () => [...content().querySelectorAll("tbody tr")].filter((row) => row.querySelector("a"));

    function step(by) {
        const all = rows();
        const at = all.findIndex((row) => row.contains(document.activeElement));
        const row = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by];
        row?.querySelector("th a, td a").focus();
    }

    const general = [
        ["/", "search this list", () => document.querySelector("#searchbar, #content-main input[type=search]")?.focus()],
        ["j", "next row", () => step(1)],
        ["k", "row before", () => step(-1)],
        ["r", "load again", () => (content() ? reload(true) : window.location.reload())],
        ["?", "these keys", () => showKeys()],
    ];

    function ownKeys() {
        return [...document.querySelectorAll("[data-key]")].map((element) => [
            element.dataset.key,
            (element.dataset.keySays || element.textContent || element.value).trim(),
            () => (element.matches("input:not([type=submit]), select, textarea") ? element.focus() : element.click()),
        ]);
    }

    function showKeys() {
        const dialog = document.getElementById("keys");
        if (!dialog) return;
        const list = dialog.querySelector("dl");
        list.replaceChildren();
        const going = [...document.querySelectorAll("#console-nav [data-go]")].map((item) => [
            `g ${item.dataset.go}`,
            `${item.textContent}: ${item.title}`,
        ]);
        for (const [keys, says] of [...ownKeys(), ...general, ...going]) {
            const term = document.createElement("dt");
            for (const key of keys.split(" ")) {
                const cap = document.createElement("kbd");
                cap.textContent = key;
                term.append(cap, " ");
            }
            const meaning = document.createElement("dd");
            meaning.textContent = says;
            list.append(term, meaning);
        }
        dialog.showModal();
    }

    let afterG = 0;
    function pressed(event) {
        if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
        if (event.target.matches?.("input, select, textarea, [contenteditable]")) return;
        if (document.querySelector("dialog[open]")) return;
        if (event.timeStamp - afterG < 1500 && afterG) {
            afterG = 0;
            const item = document.querySelector(`#console-nav [data-go="${CSS.escape(event.key)}"]`);
            if (item) {
                event.preventDefault();
                item.click();
            }
            return;
        }
        if (event.key === "g") {
            afterG = event.timeStamp;
            return;
        }
        const found = [...ownKeys(), ...general].find(([key]) => key === event.key);
        if (found) {
            event.preventDefault();
            found[2]();
        }
    }

    document.addEventListener("DOMContentLoaded", () => {
        const served = document.querySelector("[data-served-at]");
        if (served) ahead = Date.now() - Date.parse(served.dataset.servedAt);
        const button = document.getElementById("show-keys");
        if (button) {
            button.hidden = false;
            button.addEventListener("click", showKeys);
        }
        document.addEventListener("keydown", pressed);
        tellAges();
        window.setInterval(tellAges, 5000);
        const every = Number(content()?.dataset.refreshSeconds || 0);
        if (every) schedule(every);
    });
})();
