/* Event files read back by an independent reader of the frame and of the fields; readings of the machine. */
#include <bramble/base/error.h>
#include <bramble/base/clock.h>
#include <bramble/record/energy.h>
#include <bramble/record/events.h>
#include <bramble/record/machine.h>
#include <bramble/record/sampler.h>

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* CRC-32C by a table, masked: another way to the same numbers than the writer's. */
static uint32_t masked_crc(const unsigned char *p, size_t n) {
  uint32_t table[256], crc = ~0u;
  for (uint32_t i = 0; i < 256; i++) {
    table[i] = i;
    for (int k = 0; k < 8; k++) table[i] = table[i] & 1 ? table[i] >> 1 ^ 0x82F63B78u : table[i] >> 1;
  }
  for (size_t i = 0; i < n; i++) crc = table[(crc ^ p[i]) & 255] ^ crc >> 8;
  crc = ~crc;
  return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

/* The field of a message: its bytes, or its number for varints; NULL if it is not there. */
static const unsigned char *field(const unsigned char *p, size_t n, int wanted, size_t *bytes) {
  for (const unsigned char *end = p + n; p < end;) {
    int number = *p >> 3, kind = *p & 7;
    uint64_t value = 0;
    p++;
    if (kind == 0 || kind == 2) {
      int shift = 0;
      do value |= (uint64_t)(*p & 0x7F) << shift, shift += 7;
      while (*p++ & 0x80);
    }
    size_t size = kind == 0 ? 0 : kind == 1 ? 8 : kind == 5 ? 4 : (size_t)value;
    *bytes = kind == 0 ? (size_t)value : size;
    if (number == wanted) return p;
    p += size;
  }
  return NULL;
}

static void event_file(void **state) {
  (void)state;
  assert_int_equal((int)(masked_crc((const unsigned char *)"123456789", 9) - 0xA282EAD8u), (int)(0xE3069283u >> 15 | 0xE3069283u << 17)); /* the check value of CRC-32C */
  char folder[] = "/tmp/bramble-events-XXXXXX", path[600];
  assert_non_null(mkdtemp(folder));
  struct br_events *events;
  const float x[4] = {-1, 0, 1, 2};
  int opened = br_events_open(folder, &events);
  if (opened != BR_OK && strstr(br_error_message(), "without protobuf-c")) {
    rmdir(folder);
    skip();
  }
  assert_int_equal(opened, BR_OK);
  assert_int_equal(br_events_scalar(events, 300, "loss/train", 1.5), BR_OK);
  assert_int_equal(br_events_scalar(events, 300, "loss/test", NAN), BR_OK); /* left out */
  assert_int_equal(br_events_histogram(events, 7, "c1.weight", x, 4), BR_OK);
  assert_int_equal(br_events_image(events, 0, "data", 320, 200, 3, "PNG", 3), BR_OK);
  br_events_close(events);
  DIR *dir = opendir(folder);
  struct dirent *entry;
  path[0] = 0;
  while ((entry = readdir(dir)))
    if (strstr(entry->d_name, ".tfevents.")) snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
  closedir(dir);
  static unsigned char data[4096];
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  size_t n = fread(data, 1, sizeof data, file), records = 0, bytes, inner;
  fclose(file);
  unlink(path);
  rmdir(folder);
  for (const unsigned char *p = data; p < data + n; records++) {
    uint64_t length;
    uint32_t crc;
    memcpy(&length, p, 8);
    memcpy(&crc, p + 8, 4);
    assert_true(crc == masked_crc(p, 8));
    p += 12;
    memcpy(&crc, p + length, 4);
    assert_true(crc == masked_crc(p, length));
    const unsigned char *summary = field(p, length, 5, &bytes), *step = field(p, length, 2, &inner), *value = summary ? field(summary, bytes, 1, &bytes) : NULL;
    if (!step) inner = 0; /* which is not written */
    static const size_t steps[] = {0, 300, 7, 0};
    assert_in_range(records, 0, 3);
    assert_int_equal(inner, steps[records]);
    if (records == 1) {
      float y;
      const unsigned char *tag = field(value, bytes, 1, &inner);
      assert_memory_equal(tag, "loss/train", inner);
      memcpy(&y, field(value, bytes, 2, &inner), 4);
      assert_true(y == 1.5f);
    }
    if (records == 2) {
      double sum = 0, bucket[30];
      size_t total;
      const unsigned char *h = field(value, bytes, 5, &total);
      memcpy(bucket, field(h, total, 7, &inner), sizeof bucket);
      assert_int_equal(inner, sizeof bucket);
      for (int i = 0; i < 30; i++) sum += bucket[i];
      assert_true(sum == 4 && bucket[0] == 1 && bucket[10] == 1 && bucket[20] == 1 && bucket[29] == 1);
    }
    if (records == 3) {
      size_t total, width;
      const unsigned char *image = field(value, bytes, 4, &total);
      assert_non_null(field(image, total, 2, &width));
      assert_int_equal(width, 320);
      assert_memory_equal(field(image, total, 4, &inner), "PNG", 3);
      assert_int_equal(inner, 3);
    }
    p += length + 4;
  }
  assert_int_equal(records, 4);
  assert_int_equal(br_events_open("/proc/nowhere", &events), BR_ERROR_USAGE);
}

static void machine(void **state) {
  (void)state;
  struct br_machine m;
  struct br_counters a, b;
  br_machine_read(&m);
  assert_true(m.cores >= 1 && m.host[0] && m.kernel[0] && m.isa[0] && m.memory_bytes > 1e7);
  br_counters_read(&a);
  volatile double work = 0;
  for (int i = 0; i < 60000000; i++) work += i;
  br_counters_read(&b);
  struct br_sample_point p = br_counters_between(&a, &b);
  assert_true(p.busy > 0 && p.busy <= 1 && p.wait >= 0 && p.used_bytes > 0 && p.disk_written >= 0);
  char text[160];
  assert_string_equal(br_machine_throttle_text(&(struct br_machine_state){.throttled = 0x50001}, text), "under-voltage now, throttled earlier");
  assert_string_equal(br_machine_throttle_text(&(struct br_machine_state){.throttled = -1}, text), "");
}

static void meters(void **state) {
  (void)state;
  struct br_meter *meter;
  assert_true(fabs(br_meter_rails("   3V7_WL_SW_A current(0)=0.5A\n   VDD_CORE_A current(7)=2.0A\n   3V7_WL_SW_V volt(8)=3.7V\n   VDD_CORE_V volt(15)=0.9V\n   EXT5V_V volt(24)=5.1V\n") - (0.5 * 3.7 + 2 * 0.9)) < 1e-12);
  assert_true(isnan(br_meter_rails("")) && isnan(br_meter_rails("EXT5V_V volt(24)=5.1V\n")) && isnan(br_meter_rails("X_A current")));
  assert_int_equal(br_meter_open("echo P = 12.5 W", &meter), BR_OK);
  assert_string_equal(br_meter_name(meter), "command");
  double start = br_clock_seconds();
  usleep(50000);
  double joules = br_meter_joules(meter), most = 12.5 * (br_clock_seconds() - start) + 1e-9;
  assert_true(joules >= 12.5 * 0.05 - 1e-9 && joules <= most + 12.5 * 0.05);
  assert_true(br_meter_joules(meter) >= joules);
  br_meter_close(meter);
  assert_int_equal(br_meter_open("echo none", &meter), BR_ERROR_USAGE);
  assert_null(meter);
  start = br_clock_seconds(); /* a meter that hangs does not hang the run; what it said counts */
  assert_int_equal(br_meter_open("echo 7; sleep 60 & sleep 60", &meter), BR_OK);
  assert_true(br_clock_seconds() - start < 30);
  br_meter_close(meter);
  assert_true(isnan(br_meter_joules(NULL)));
}

static void sampling(void **state) {
  (void)state;
  struct br_sampler *sampler;
  struct br_rank_point p;
  assert_int_equal(br_sampler_open(true, "echo 20", &sampler), BR_OK);
  assert_false(br_sampler_last(sampler, &p));
  volatile double x = 0;
  for (double start = br_clock_seconds(); br_clock_seconds() - start < 1.3;) x += 1; /* one core works */
  br_sampler_mark(sampler);
  assert_true(br_sampler_last(sampler, &p));
  const struct br_sampler_record *r = br_sampler_stop(sampler);
  assert_int_equal(r->n_points, 2); /* after a second, and the rest */
  assert_true(p.seconds >= 1 && r->point[1].seconds >= 1.3 && p.user > 0 && p.user + p.system < 1.2 && p.rss_bytes > 1e6 && p.idle >= 0 && p.idle <= 1);
  assert_true(fabs(p.watts - 20) < 1 && r->n_marks == 1 && r->mark[0] > 20 && r->joules >= r->mark[0]);
  br_sampler_close(sampler);
  assert_int_equal(br_sampler_open(true, "echo 20", &sampler), BR_OK); /* a run of a moment */
  usleep(20000);
  r = br_sampler_stop(sampler);
  assert_true(r->n_points <= 1 && r->n_readings >= 2 && r->joules >= 20 * 0.02 - 1e-6);
  br_sampler_close(sampler);
  br_sampler_close(NULL);
}

static void changes(void **state) {
  (void)state;
  static struct br_sampler_record r;
  char text[200];
  r.before = r.after = (struct br_machine_state){.throttled = -1, .throttle_count = -1};
  r.mhz_low = r.mhz_high = NAN;
  assert_string_equal(br_sampler_changes(&r, text), "");
  r.mhz_low = 600, r.mhz_high = 1500;
  assert_string_equal(br_sampler_changes(&r, text), "the clock fell from 1500 to 600 MHz");
  r.before.throttle_count = 3, r.after.throttle_count = 5;
  assert_string_equal(br_sampler_changes(&r, text), "throttled 2 times for heat");
  r.before.throttled = 0, r.after.throttled = 0x50005;
  assert_string_equal(br_sampler_changes(&r, text), "under-voltage now, throttled now");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(event_file), cmocka_unit_test(machine), cmocka_unit_test(meters), cmocka_unit_test(sampling), cmocka_unit_test(changes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
