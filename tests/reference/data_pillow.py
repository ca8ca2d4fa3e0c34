#!/usr/bin/env python3
"""Makes the expected pictures of tests/test_data.c in tests/reference/data with Pillow and NumPy (run once; made with Pillow 13.0, NumPy 2.4).

resize_N_source.npy, resize_N_expected.npy   bilinear resizing; the boxes are repeated in the test
decode_NAME.{png,jpg}, decode_NAME.npy       picture files of many kinds and what they show as RGB, upright, alpha over white
"""
import os
import numpy as np
from PIL import Image, ImageOps

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
random = np.random.default_rng(1)

resizes = [  # source H, W, C; result H, W; box left, top, right, bottom (None: all)
    (13, 17, 3, 29, 40, None),
    (40, 31, 3, 13, 9, None),
    (32, 32, 3, 64, 64, None),
    (20, 24, 3, 20, 24, (1.5, 2.25, 20.75, 17)),
    (60, 5, 3, 7, 11, None),
    (9, 50, 1, 18, 20, None),
    (30, 30, 3, 8, 31, (3, 5, 20, 29)),
    (1, 1, 3, 5, 4, None),
]
for i, (H, W, C, h, w, box) in enumerate(resizes):
    source = random.integers(0, 256, (H, W, C), dtype=np.uint8)
    image = Image.fromarray(source if C == 3 else source[:, :, 0])
    result = np.asarray(image.resize((w, h), Image.Resampling.BILINEAR, box=box)).reshape(h, w, C)
    np.save(f"{here}/resize_{i}_source.npy", source)
    np.save(f"{here}/resize_{i}_expected.npy", result)


def smooth(H, W, C):
    y, x = np.mgrid[0:H, 0:W]
    return np.stack([(127 + 100 * np.sin((c + 1) * x / 7 + y / (5 + c))).astype(np.uint8) for c in range(C)], 2)


def keep(name, ending, image, expected, **options):
    image.save(f"{here}/decode_{name}.{ending}", **options)
    np.save(f"{here}/decode_{name}.npy", np.asarray(expected, dtype=np.uint8))


def over_white(rgba):
    a = rgba[:, :, 3:].astype(int)
    return (rgba[:, :, :3] * a + 255 * (255 - a) + 127) // 255


rgb = Image.fromarray(smooth(11, 19, 3))
grey = Image.fromarray(smooth(11, 19, 1)[:, :, 0])
rgba = smooth(11, 19, 4)
keep("rgb", "png", rgb, rgb)
keep("grey", "png", grey, grey.convert("RGB"))
keep("alpha", "png", Image.fromarray(rgba), over_white(rgba))
palette = rgb.quantize(16)
keep("palette", "png", palette, palette.convert("RGB"))
bit = grey.convert("1")
keep("bit", "png", bit, bit.convert("RGB"))
wide = (smooth(11, 19, 1)[:, :, 0].astype(np.uint16) * 257)
keep("wide", "png", Image.fromarray(wide), np.repeat((wide // 257)[:, :, None], 3, 2))

photo = Image.fromarray(smooth(24, 40, 3))
for name, image in (("rgb", photo), ("grey", photo.convert("L")), ("cmyk", photo.convert("CMYK"))):
    path = f"{here}/decode_jpeg_{name}.jpg"
    image.save(path, quality=92)
    np.save(f"{here}/decode_jpeg_{name}.npy", np.asarray(Image.open(path).convert("RGB")))
for orientation in range(2, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = f"{here}/decode_jpeg_orientation_{orientation}.jpg"
    photo.save(path, quality=92, exif=exif)
    np.save(f"{here}/decode_jpeg_orientation_{orientation}.npy", np.asarray(ImageOps.exif_transpose(Image.open(path))))
