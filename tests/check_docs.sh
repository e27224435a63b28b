#!/usr/bin/env bash
# The pages in docs/ and README.md tell the truth about the code: every passage under <!-- snippet FILE NAME --> stands in
# FILE between "// snippet NAME" and "// end", and every path that a page names exists.
#   check_docs.sh SOURCE_FOLDER
set -euo pipefail
cd "${1:-.}"
shopt -s nullglob
bad=0
snippets=0
paths=0

# The lines of snippet $2 in file $1, less the indentation of the first.
from_code() {
  awk -v name="$2" '
    $1 == "//" && $2 == "end" { on = 0 }
    on { if (!n++) indent = match($0, /[^ ]/) - 1; print substr($0, indent + 1) }
    $1 == "//" && $2 == "snippet" && $3 == name { on = 1 }' "$1"
}
# The code block under the mark of snippet $2 in page $1.
from_page() {
  awk -v name="$2" '
    $1 == "<!--" && $2 == "snippet" { wanted = $4 == name }
    /^```/ { on = wanted && !on; if (!on) wanted = 0; next }
    on { print }' "$1"
}

for page in README.md docs/*.md docs/*/*.md; do
  while read -r _ _ file name _; do
    snippets=$((snippets + 1))
    code=$(from_code "$file" "$name")
    if [ -z "$code" ] || [ "$code" != "$(from_page "$page" "$name")" ]; then
      echo "$page: snippet $name is not what $file has:"
      diff <(echo "$code") <(from_page "$page" "$name") || true
      bad=$((bad + 1))
    fi
  done < <(grep '^<!-- snippet ' "$page" || true)
  # Names in backquotes that start with a folder of the tree. core/{shape,tensor}.h means both; <op> means softmax here.
  while read -r name; do
    for path in $(eval echo "${name//<op>/softmax}"); do
      [ "$path" = data/mnist ] && continue  # is downloaded
      paths=$((paths + 1))
      # A literal path must exist, a pattern must match something.
      found=($path)
      if [ ${#found[@]} -eq 0 ] || [ ! -e "${found[0]}" ]; then echo "$page: there is no $path"; bad=$((bad + 1)); fi
    done
  done < <(grep -oE '`(core|kernels|autograd|nn|data|diffusion|examples|tests|bench|docs|scripts|cmake)/[A-Za-z0-9_./*{},<>-]*`' "$page" | tr -d '`' | sort -u)
done
echo "$snippets snippets, $paths paths, $bad wrong"
[ "$bad" -eq 0 ] && [ "$snippets" -gt 0 ] && [ "$paths" -gt 0 ]
