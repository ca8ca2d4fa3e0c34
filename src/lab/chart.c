/* SVG by hand: a frame, ticks at 1-2-5 steps, marks. Coordinates are written with one digit, which is a tenth of a pixel. */
#include "lab/chart.h"

#include <math.h>
#include <string.h>

struct frame {
  const struct br_chart *chart;
  FILE *out;
  double width, height, left, right, top, bottom; /* of the picture and its plot area */
  double x0, x1, y0, y1;                          /* values at the edges, as logarithms where the axis is one */
};

void br_html_text(FILE *out, const char *text) {
  for (; *text; text++) switch (*text) {
      case '<': fputs("&lt;", out); break;
      case '>': fputs("&gt;", out); break;
      case '&': fputs("&amp;", out); break;
      case '"': fputs("&quot;", out); break;
      default: fputc(*text, out);
    }
}

static double scaled(double v, bool is_log) { return is_log ? log10(v > 0 ? v : NAN) : v; }

static bool words(const struct br_chart *c) { return !c->x || c->kind == BR_CHART_BAR || c->kind == BR_CHART_STACKED; }

static double x_of(const struct frame *f, int i) {
  double room = f->right - f->left;
  if (words(f->chart)) return f->left + room * (i + 0.5) / f->chart->n;
  double span = f->x1 - f->x0;
  return f->left + (span > 0 ? room * (scaled(f->chart->x[i], f->chart->log_x) - f->x0) / span : room / 2);
}

static double y_of(const struct frame *f, double v) { return f->bottom - (f->bottom - f->top) * (scaled(v, f->chart->log_y) - f->y0) / (f->y1 - f->y0); }

static double sum_below(const struct br_chart *c, int series, int i) {
  double sum = 0;
  for (int s = 0; s < series; s++)
    if (isfinite(c->series[s].y[i])) sum += c->series[s].y[i];
  return sum;
}

static bool stacks(const struct br_chart *c) { return c->kind == BR_CHART_STACKED || c->kind == BR_CHART_AREA; }

static void widen(double v, double *low, double *high) {
  if (!isfinite(v)) return;
  if (isnan(*low) || v < *low) *low = v;
  if (isnan(*high) || v > *high) *high = v;
}

static double nice_step(double span, int steps) {
  double raw = span / steps, power = pow(10, floor(log10(raw))), m = raw / power;
  return power * (m <= 1 ? 1 : m <= 2 ? 2 : m <= 5 ? 5 : 10);
}

/* The ends of both axes: data, then rounded outward to ticks. */
static double find_ranges(struct frame *f) {
  const struct br_chart *c = f->chart;
  double low = NAN, high = NAN, x_low = NAN, x_high = NAN;
  for (int s = 0; s < c->n_series; s++)
    for (int i = 0; i < c->n; i++) {
      double below = stacks(c) ? sum_below(c, s, i) : 0;
      if (!isfinite(c->series[s].y[i])) continue;
      widen(scaled(below + c->series[s].y[i], c->log_y), &low, &high);
      if (c->series[s].low) widen(scaled(c->series[s].low[i], c->log_y), &low, &high);
      if (c->series[s].high) widen(scaled(c->series[s].high[i], c->log_y), &low, &high);
    }
  for (int i = 0; c->x && i < c->n; i++) widen(scaled(c->x[i], c->log_x), &x_low, &x_high);
  if (isnan(low)) low = 0, high = 1;
  bool from_zero = !c->log_y && (c->zero || c->kind != BR_CHART_LINE || (low >= 0 && low < 0.35 * high));
  if (from_zero && low > 0) low = 0;
  if (high <= low) high = low + (low == 0 ? 1 : fabs(low) * 0.1);
  double step = c->log_y ? 1 : nice_step(high - low, c->small ? 2 : 5);
  f->y0 = c->log_y ? floor(low) : step * floor(low / step + 1e-9);
  f->y1 = c->log_y ? ceil(high) : step * ceil(high / step - 1e-9);
  if (f->y1 <= f->y0) f->y1 = f->y0 + step;
  if (c->top > 0) f->y1 = c->top;
  f->x0 = x_low;
  f->x1 = x_high;
  return step;
}

static void tick_text(double v, double step, char text[32]) {
  int digits = step >= 1 ? 0 : (int)ceil(-log10(step) - 1e-9);
  if (fabs(v) >= 1e6 || (v != 0 && fabs(v) < 1e-4))
    snprintf(text, 32, "%.3g", v);
  else
    snprintf(text, 32, "%.*f", digits, v == 0 ? 0.0 : v);
}

static void draw_y_axis(const struct frame *f, double step) {
  char text[32];
  for (double v = f->y0; v <= f->y1 + step * 0.001; v += step) {
    double value = f->chart->log_y ? pow(10, v) : v, y = y_of(f, value);
    tick_text(fabs(value) < step * 1e-6 ? 0 : value, f->chart->log_y ? value : step, text);
    fprintf(f->out, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/><text class=\"tick\" text-anchor=\"end\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", f->left, f->right, y, y, f->left - 7, y + 4, text);
  }
  fprintf(f->out, "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n", f->left, f->right, f->bottom, f->bottom);
  if (!f->chart->y_title) return;
  fprintf(f->out, "<text class=\"label\" x=\"%.1f\" y=\"%.1f\">", 2.0, f->top - 12);
  br_html_text(f->out, f->chart->y_title);
  fprintf(f->out, "</text>\n");
}

/* A word that does not run into its neighbours. */
static void draw_x_axis(const struct frame *f) {
  const struct br_chart *c = f->chart;
  double last = -1e9;
  for (int i = 0; i < c->n; i++) {
    char text[64];
    if (c->labels)
      snprintf(text, sizeof text, "%s", c->labels[i]);
    else
      snprintf(text, sizeof text, c->x && c->x[i] != floor(c->x[i]) ? "%.3g" : "%g", c->x ? c->x[i] : i + 1);
    double x = x_of(f, i), half = 3.4 * (double)strlen(text);
    double at = x - half < 2 ? 2 + half : x + half > f->width - 2 ? f->width - 2 - half : x; /* within the picture */
    if (at - half < last + 8) continue;
    last = at + half;
    fprintf(f->out, "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/><text class=\"tick\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">", x, x, f->bottom, f->bottom + 4, at, f->bottom + 18);
    br_html_text(f->out, text);
    fprintf(f->out, "</text>\n");
  }
  if (!c->x_title) return;
  fprintf(f->out, "<text class=\"label\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">", (f->left + f->right) / 2, f->bottom + 38);
  br_html_text(f->out, c->x_title);
  fprintf(f->out, "</text>\n");
}

static void draw_error_bar(const struct frame *f, const struct br_chart_series *s, double x, int i) {
  if (!s->low || !s->high || !isfinite(s->low[i]) || !(s->high[i] > s->low[i])) return;
  double low = y_of(f, s->low[i]), high = y_of(f, s->high[i]);
  if (!isfinite(low) || !isfinite(high)) return;
  fprintf(f->out, "<path class=\"error s%d\" d=\"M%.1f %.1fV%.1fM%.1f %.1fh6M%.1f %.1fh6\"/>\n", s->colour, x, low, high, x - 3, low, x - 3, high);
}

static void draw_point_title(const struct frame *f, const struct br_chart_series *s, int i) {
  fprintf(f->out, "<title>");
  br_html_text(f->out, s->name);
  if (f->chart->labels) {
    fprintf(f->out, ", ");
    br_html_text(f->out, f->chart->labels[i]);
  } else if (f->chart->x) {
    fprintf(f->out, ", %g", f->chart->x[i]);
  }
  fprintf(f->out, ": %.5g</title>", s->y[i]);
}

static void draw_line(const struct frame *f, const struct br_chart_series *s) {
  bool begun = false, dots = f->chart->n <= (f->chart->small ? 12 : 40);
  fprintf(f->out, "<path class=\"line s%d%s\" d=\"", s->colour, s->dashed ? " dashed" : "");
  for (int i = 0; i < f->chart->n; i++) {
    double y = isfinite(s->y[i]) ? y_of(f, s->y[i]) : NAN;
    if (!isfinite(y)) continue;
    fprintf(f->out, "%c%.1f %.1f", begun ? 'L' : 'M', x_of(f, i), y);
    begun = true;
  }
  fprintf(f->out, "\"/>\n");
  for (int i = 0; dots && i < f->chart->n; i++) {
    double y = isfinite(s->y[i]) ? y_of(f, s->y[i]) : NAN;
    if (!isfinite(y)) continue;
    draw_error_bar(f, s, x_of(f, i), i);
    fprintf(f->out, "<circle class=\"dot s%d%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.2\">", s->colour, s->dashed ? " hollow" : "", x_of(f, i), y);
    draw_point_title(f, s, i);
    fprintf(f->out, "</circle>\n");
  }
}

static void draw_bars(const struct frame *f) {
  const struct br_chart *c = f->chart;
  double slot = (f->right - f->left) / c->n, group = slot * 0.76 < 110 ? slot * 0.76 : 110;
  double width = c->kind == BR_CHART_STACKED ? group : group / c->n_series;
  for (int i = 0; i < c->n; i++)
    for (int k = 0; k < c->n_series; k++) {
      const struct br_chart_series *s = &c->series[k];
      if (!isfinite(s->y[i])) continue;
      double below = stacks(c) ? sum_below(c, k, i) : c->log_y ? pow(10, f->y0) : 0;
      double x = x_of(f, i) - group / 2 + (stacks(c) ? 0 : width * k), top = y_of(f, stacks(c) ? below + s->y[i] : s->y[i]), bottom = y_of(f, below);
      if (!isfinite(top)) continue;
      if (top > bottom) { /* below zero */
        double swap = top;
        top = bottom, bottom = swap;
      }
      fprintf(f->out, "<rect class=\"bar s%d%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">", s->colour, s->dashed ? " hollow" : "", x + 0.75, top, width > 2 ? width - 1.5 : width, bottom - top);
      draw_point_title(f, s, i);
      fprintf(f->out, "</rect>\n");
      if (!stacks(c)) draw_error_bar(f, s, x + width / 2, i);
    }
}

static void draw_areas(const struct frame *f) {
  const struct br_chart *c = f->chart;
  for (int k = 0; k < c->n_series && c->n > 0; k++) {
    fprintf(f->out, "<path class=\"area s%d\" d=\"", c->series[k].colour);
    for (int i = 0; i < c->n; i++) fprintf(f->out, "%c%.1f %.1f", i ? 'L' : 'M', x_of(f, i), y_of(f, sum_below(c, k + 1, i)));
    for (int i = c->n - 1; i >= 0; i--) fprintf(f->out, "L%.1f %.1f", x_of(f, i), y_of(f, sum_below(c, k, i)));
    fprintf(f->out, "Z\"/>\n");
  }
}

static void write_legend(const struct br_chart *c, FILE *out) {
  fprintf(out, "<div class=\"legend\">");
  for (int s = 0; s < c->n_series; s++) {
    fprintf(out, "<span><i class=\"s%d%s%s\"></i>", c->series[s].colour, c->series[s].dashed ? " hollow" : "", c->kind == BR_CHART_LINE ? " stroke" : "");
    br_html_text(out, c->series[s].name);
    fprintf(out, "</span>");
  }
  fprintf(out, "</div>\n");
}

void br_chart_write(const struct br_chart *c, FILE *out) {
  struct frame f = {.chart = c, .out = out, .width = 520, .height = c->small ? 150 : 300};
  f.left = 54;
  f.right = f.width - 16;
  f.top = c->y_title ? 28 : 12;
  f.bottom = f.height - (c->x_title ? 46 : 26);
  double step = find_ranges(&f);
  fprintf(out, "<figure%s><figcaption>", c->small ? " class=\"small\"" : "");
  br_html_text(out, c->title);
  fprintf(out, "</figcaption>\n");
  if (c->n_series > 1 || c->series[0].dashed) write_legend(c, out);
  fprintf(out, "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"", f.width, f.height);
  br_html_text(out, c->title);
  fprintf(out, "\">\n");
  draw_y_axis(&f, step);
  draw_x_axis(&f);
  if (c->kind == BR_CHART_AREA)
    draw_areas(&f);
  else if (c->kind == BR_CHART_LINE)
    for (int s = 0; s < c->n_series; s++) draw_line(&f, &c->series[s]);
  else
    draw_bars(&f);
  fprintf(out, "</svg></figure>\n");
}
