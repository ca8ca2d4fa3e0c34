"""A rival's decoding and resizing of the JPEGs under FOLDER to 224 x 224 bytes on one core: prints milliseconds a photo, the median of five passes.

usage: photos.py opencv|pillow FOLDER
Needs numpy and opencv-python-headless or pillow. The files are in memory before the clock starts."""
import glob
import sys
import time

engine, folder = sys.argv[1:]
photos = [open(name, "rb").read() for name in sorted(glob.glob(folder + "/**/*.[jJ][pP]*[gG]", recursive=True))]

if engine == "opencv":
    import cv2
    import numpy

    cv2.setNumThreads(1)

    def run(photo):
        return cv2.resize(cv2.imdecode(numpy.frombuffer(photo, numpy.uint8), cv2.IMREAD_COLOR), (224, 224), interpolation=cv2.INTER_LINEAR)
else:
    import io

    import numpy
    from PIL import Image

    def run(photo):
        picture = Image.open(io.BytesIO(photo))
        picture.draft("RGB", (224, 224))
        return numpy.asarray(picture.convert("RGB").resize((224, 224), Image.BILINEAR))


times = []
for _ in range(6):
    begin = time.perf_counter()
    for photo in photos:
        run(photo)
    times.append((time.perf_counter() - begin) / len(photos))
print(f"{1000 * sorted(times[1:])[2]:.3f}")
