// The settings in the page's address

export function formatSettings(settings) {
  const format = (value) => (typeof value === "string" && !isJson(value) ? value : JSON.stringify(value));
  return Object.entries(settings).map(([name, value]) => `${name}=${encodeURIComponent(format(value))}`).join("&");
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

export function parseSettings(hash) {
  const settings = Object.create(null); // so that names such as __proto__ are ordinary
  for (const [name, text] of new URLSearchParams(hash.slice(1))) {
    try {
      settings[name] = JSON.parse(text);
    } catch {
      settings[name] = text;
    }
  }
  return settings;
}
