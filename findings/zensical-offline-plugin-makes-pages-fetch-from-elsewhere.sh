#!/usr/bin/env bash
# zensical 0.0.73, the successor of mkdocs-material.
#
# What is done: a site of one page is built twice, without fonts: once as it comes, once with the plugin `offline`, which is
# documented as making a site that works without a network connection, opened as files.
#
# One would expect: with `offline` the pages name no other host.
#
# What is seen: the other way round. As it comes, no page loads a script or a style from another host. With `offline` every
# page has a script element that loads `iframe-worker/shim` from unpkg.com (for a search that works on files). No version of
# it is pinned in the address, and it has no integrity attribute; the build reports no issue, with --strict either.
#
# Needs bash, Python 3.10 or newer with venv, and the package index. Exits 0 while it is so, and 1 where the behaviour has
# changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

python3 -m venv venv > log 2>&1 || { cat log >&2; exit 2; }
venv/bin/pip install --quiet zensical==0.0.73 > log 2>&1 || { cat log >&2; exit 2; }

# The addresses of scripts and styles that the built pages load from another host.
foreign() {
	grep -ohE '<(script|link)[^>]* (src|href)="?https?://[^" >]+' site/*.html | grep -v 'rel="\?canonical' |
		grep -oE 'https?://[^" >]+' | grep -v '^https://example.org/' | sort -u || true
}

mkdir docs
printf '# Home\n\nSome text.\n' > docs/index.md
plain='[project]
site_name = "Example"
site_url = "https://example.org/"
use_directory_urls = false
[project.theme]
font = false
[project.plugins.search]'

echo "$plain" > zensical.toml
venv/bin/zensical build --clean --strict > log 2>&1 || { cat log >&2; exit 2; }
as_it_comes=$(foreign)
printf '%s\n[project.plugins.offline]\n' "$plain" > zensical.toml
venv/bin/zensical build --clean --strict > log 2>&1 || { cat log >&2; exit 2; }
offline=$(foreign)

echo "as it comes, pages load from elsewhere: ${as_it_comes:-nothing}"
echo "with the plugin offline: ${offline:-nothing}"
[ -z "$as_it_comes" ] || { echo "as it comes, pages load something now" >&2; exit 1; }
[ "$offline" = "https://unpkg.com/iframe-worker/shim" ] || { echo "with offline it is otherwise than before" >&2; exit 1; }
echo "as before: the plugin for sites without a network makes every page ask the network"
