// A small store in this browser (IndexedDB): names and values, in a database of its own.
export function open(database) {
  const opened = new Promise((done, refuse) => {
    const request = indexedDB.open(database, 1);
    request.onupgradeneeded = () => request.result.createObjectStore("values");
    request.onsuccess = () => done(request.result);
    request.onerror = () => refuse(request.error);
  });
  const act = async (mode, what) => {
    const store = (await opened).transaction("values", mode).objectStore("values");
    return new Promise((done, refuse) => {
      const request = what(store);
      request.onsuccess = () => done(request.result);
      request.onerror = () => refuse(request.error);
    });
  };
  return {
    get: (name) => act("readonly", (store) => store.get(name)),
    put: (name, value) => act("readwrite", (store) => store.put(value, name)),
    remove: (name) => act("readwrite", (store) => store.delete(name)),
  };
}
