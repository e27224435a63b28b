"""Where results go: a JSON file per part, each there in full or not at all, and the page made of all that is there."""
import json
import os
import pathlib
import time


def write_atomically(path, text):
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text)
    os.replace(temporary, path)


class Store:
    def __init__(self, folder, render):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.tidy()
        self.render = render
        self.saved = 0.0

    def tidy(self):
        """What a signal may have left half written goes."""
        for path in self.folder.glob("*.part"):
            path.unlink()

    def put(self, part, result):
        """Writes the part and the page."""
        write_atomically(self.folder / f"{part}.json", json.dumps(result, indent=1) + "\n")
        self.saved = time.monotonic()
        self.write_page()

    def put_now_and_then(self, part, result):
        """For results that grow: at most every two seconds."""
        if time.monotonic() - self.saved > 2:
            self.put(part, result)

    def drop(self, part):
        (self.folder / f"{part}.json").unlink(missing_ok=True)

    def get(self, part):
        path = self.folder / f"{part}.json"
        return json.loads(path.read_text()) if path.exists() else None

    def write_page(self):
        results = {path.stem: json.loads(path.read_text()) for path in sorted(self.folder.glob("*.json"))}
        for name, text in self.render(results).items():
            write_atomically(self.folder / name, text)
