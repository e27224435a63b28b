"""Makes images.safetensors beside this file, with Pillow and torchvision's arithmetic: files of many kinds, what they
show, and resized images.

    python3 tests/golden/make_images.py

file.NAME holds the bytes of a picture, shows.NAME what PIL makes of it (H, W, C) once it is upright and over white;
resize.N.in, resize.N.out and square.N.out are images before and after Image.resize(BILINEAR), and after Resize and
CenterCrop to 8 pixels.
"""

import io
import pathlib

import numpy as np
from PIL import Image, ImageOps
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent
random = np.random.default_rng(0)


def photograph(height, width):
    """Smooth, so that what is lost in a JPEG is little."""
    y, x = np.mgrid[0:height, 0:width] / 16
    waves = [np.sin(x * a + y * b) for a, b in ((1, 0.4), (0.3, 1.1), (0.8, -0.7))]
    return Image.fromarray(np.uint8(127.5 + 100 * np.stack(waves, -1)))


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def turned(image, orientation, **options):
    exif = image.getexif()
    exif[0x0112] = orientation
    return saved(image, "JPEG", quality=95, subsampling=0, exif=exif, **options)


def files():
    picture = photograph(11, 14)
    alpha = Image.fromarray(np.uint8(np.mgrid[0:11, 0:14][1] * 19))
    transparent = picture.copy()
    transparent.putalpha(alpha)
    deep = Image.fromarray(np.uint16(random.integers(0, 65536, (5, 6))))
    yield "png", saved(picture, "PNG")
    yield "grey.png", saved(picture.convert("L"), "PNG")
    yield "palette.png", saved(picture.quantize(7), "PNG")
    yield "alpha.png", saved(transparent, "PNG")
    yield "grey_alpha.png", saved(transparent.convert("LA"), "PNG")
    yield "deep.png", saved(deep, "PNG")
    yield "jpg", saved(picture, "JPEG", quality=95, subsampling=0)
    yield "grey.jpg", saved(picture.convert("L"), "JPEG", quality=95)
    yield "progressive.jpg", saved(picture, "JPEG", quality=95, subsampling=0, progressive=True)
    for orientation in range(1, 9):
        yield f"exif{orientation}.jpg", turned(picture, orientation)


def shows(name, data):
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if name == "deep.png":
        return np.uint8(np.asarray(image) >> 8)[..., None]
    if image.mode in ("RGBA", "LA"):
        pixels = np.asarray(image, dtype=np.int32)
        a = pixels[..., -1:]
        return np.uint8((pixels[..., :-1] * a + 255 * (255 - a) + 127) // 255)
    if image.mode == "P":
        image = image.convert("RGB")
    array = np.asarray(image)
    return array if array.ndim == 3 else array[..., None]


def square(image, side):
    """torchvision.transforms: Resize(side), CenterCrop(side)."""
    w, h = image.size
    size = (side, int(side * h / w)) if w <= h else (int(side * w / h), side)
    image = image.resize(size, Image.BILINEAR)
    left, top = (int(round((extent - side) / 2.0)) for extent in image.size)
    return image.crop((left, top, left + side, top + side))


tensors = {}
for name, data in files():
    tensors[f"file.{name}"] = np.frombuffer(data, dtype=np.uint8)
    tensors[f"shows.{name}"] = np.ascontiguousarray(shows(name, data))
# height, width -> height, width
SIZES = [((9, 7), (9, 7)), ((16, 16), (8, 8)), ((33, 50), (8, 13)), ((5, 4), (11, 9)), ((1, 1), (3, 2)),
         ((40, 3), (1, 1)), ((23, 31), (64, 8)), ((101, 8), (7, 8)), ((8, 101), (8, 7))]
for i, ((h, w), (height, width)) in enumerate(SIZES):
    noise = random.integers(0, 256, (h, w, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    tensors[f"resize.{i}.in"] = noise
    tensors[f"resize.{i}.out"] = np.asarray(image.resize((width, height), Image.BILINEAR)).copy()
    tensors[f"square.{i}.out"] = np.asarray(square(image, 8)).copy()
save_file(tensors, HERE / "images.safetensors")
