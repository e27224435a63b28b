"""Horizontal bar charts as SVG: rows with a label and one bar for each series that has a value there."""
from xml.sax.saxutils import escape

WIDTH, LABEL, RIGHT, TOP = 860, 250, 210, 76
BAR, GAP, ROW_GAP = 13, 2, 10
INK, FAINT, RULE = "#2b2b2b", "#6b6b6b", "#d9d9d9"
FONT = 'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif"'


def text(x, y, words, size=12, fill=INK, anchor="start", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{escape(words)}</text>')


def bars(title, note, series, rows):
    """series: [(name, colour)]; rows: [(label, [(index of the series, value, words behind the bar)])]."""
    largest = max((value for _, row in rows for _, value, _ in row), default=0) or 1
    scale = (WIDTH - LABEL - RIGHT) / largest
    body, y = [], TOP + 12
    for label, row in rows:
        height = len(row) * (BAR + GAP) - GAP
        body.append(text(LABEL - 10, y + height / 2 + 4, label, anchor="end"))
        for i, (which, value, words) in enumerate(row):
            at = y + i * (BAR + GAP)
            body.append(f'<rect x="{LABEL}" y="{at:.1f}" width="{max(1.0, value * scale):.1f}" height="{BAR}" rx="2" '
                        f'fill="{series[which][1]}"/>')
            body.append(text(LABEL + max(1.0, value * scale) + 6, at + BAR - 3, words, size=11, fill=FAINT))
        y += height + ROW_GAP
    legend, x = [], 18
    used = {which for _, row in rows for which, _, _ in row}
    for name, colour in (s for which, s in enumerate(series) if which in used):
        legend.append(f'<rect x="{x}" y="{TOP - 14}" width="10" height="10" rx="2" fill="{colour}"/>')
        legend.append(text(x + 15, TOP - 5, name, size=11, fill=FAINT))
        x += 30 + 6.2 * len(name)
    height = y + 8
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
        f'viewBox="0 0 {WIDTH} {height:.0f}" {FONT}>',
        f'<rect width="{WIDTH}" height="{height:.0f}" rx="6" fill="#ffffff"/>',
        text(18, 26, title, size=16, weight="600"), text(18, 44, note, size=12, fill=FAINT),
        f'<line x1="{LABEL}" y1="{TOP + 4}" x2="{LABEL}" y2="{y - ROW_GAP + 4:.1f}" stroke="{RULE}"/>',
        *legend, *body, "</svg>", ""])
