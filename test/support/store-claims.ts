/** What every store of images promises, whatever it is made of: one suite for all of them. */
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { ImagedState } from "../../src/device/mod.ts";
import type { DaemonImages } from "../../src/server/machine/image-catalogue.ts";
import { contentOf, type StorePlace } from "./store-kinds.ts";

const MIB = 2 ** 20;

export function stateOf(device = "card0", generation = 1, uid: string = randomUUID()): ImagedState {
  return { device, uid, generation, nextTransitionId: 2 * generation };
}

export async function sealIn(images: DaemonImages, state: ImagedState, mark = "first"): Promise<string> {
  const bytes = contentOf(state, mark);
  const draft = await images.create(state, bytes.length);
  await draft.write(0, bytes);
  await draft.seal();
  return draft.id;
}

export async function markOf(images: DaemonImages, id: string): Promise<string> {
  const file = await images.open(id);
  const bytes = new Uint8Array(file.sizeBytes);
  await file.read(0, bytes);
  await file.close();
  return (JSON.parse(new TextDecoder().decode(bytes)) as { mark: string }).mark;
}

async function statesIn(images: DaemonImages): Promise<Record<string, string>> {
  return Object.fromEntries((await images.list()).map(({ id, state }) => [id, state]));
}

export function describeStore(kind: string, newPlace: () => Promise<StorePlace>): void {
  describe(`an image in ${kind}`, () => {
    it("is there when it is sealed, with every byte, and not before", async () => {
      const images = await (await newPlace()).restart();
      const size = 40 * MIB + 12_345;
      const bytes = new Uint8Array(size);
      for (let at = 0; at < size; at += 4096) bytes[at] = 1 + ((at / 4096) % 255);
      const draft = await images.create(stateOf(), size);
      // As the writer does: all but the header in pieces, then the header.
      for (let at = 4096; at < size; at += MIB)
        await draft.write(at, bytes.subarray(at, Math.min(size, at + MIB)));
      await draft.write(0, bytes.subarray(0, 4096));
      await draft.sync();
      const again = new Uint8Array(size);
      await draft.read(0, again);
      expect(Buffer.compare(again, bytes)).toBe(0);
      expect(await images.list()).toEqual([]);
      await expect(images.claim(draft.id, "card0")).rejects.toMatchObject({ reason: "IMAGE_NOT_FOUND" });
      await draft.seal();
      await draft.seal();
      expect(await statesIn(images)).toEqual({ [draft.id]: "SEALED" });
      const file = await images.open(draft.id);
      expect(file.sizeBytes).toBe(size);
      const part = new Uint8Array(3 * MIB);
      // Backwards too.
      for (const at of [size - part.length, 15 * MIB, 100, 0]) {
        await file.read(at, part);
        expect(Buffer.compare(part, bytes.subarray(at, at + part.length))).toBe(0);
      }
      await expect(file.read(size - 10, new Uint8Array(11))).rejects.toMatchObject({
        reason: "IMAGE_CORRUPT",
      });
      await file.close();
    });

    it("that was abandoned is gone, sealed or not", async () => {
      const images = await (await newPlace()).restart();
      const state = stateOf();
      for (const seals of [false, true]) {
        const draft = await images.create(state, 1000);
        await draft.write(0, contentOf(state, "gone"));
        if (seals) await draft.seal();
        await draft.abandon();
        await draft.abandon();
        expect(await images.list()).toEqual([]);
        await expect(images.claim(draft.id, "card0")).rejects.toMatchObject({ reason: "IMAGE_NOT_FOUND" });
      }
      // The device is awake, and hibernates again.
      const id = await sealIn(images, state, "second");
      expect(await markOf(images, id)).toBe("second");
    });

    it("is claimed by one, given back, and claimed by another", async () => {
      const images = await (await newPlace()).restart();
      const id = await sealIn(images, stateOf());
      await images.own({ device: "card0", uid: randomUUID(), generation: 1 });
      expect(await images.claim(id, "card1")).toBe(1);
      for (const attempt of [
        () => images.claim(id, "card2"),
        () => images.requireClaimable(id, "card2"),
        () => images.delete(id),
      ]) {
        await expect(attempt()).rejects.toMatchObject({
          reason: "IMAGE_CLAIMED",
          metadata: { device: "card1" },
        });
      }
      expect(await images.claim(id, "card1")).toBe(2);
      expect(await images.get(id)).toMatchObject({ state: "CLAIMED", claimedBy: { device: "card1" } });
      await images.giveBack(id, "card1");
      await images.giveBack(id, "card1");
      expect(await images.claim(id, "card2")).toBe(3);
    });

    it("in which a device of this daemon sleeps is kept for it", async () => {
      const images = await (await newPlace()).restart();
      const id = await sealIn(images, stateOf());
      await expect(images.claim(id, "card1")).rejects.toMatchObject({ reason: "IMAGE_IN_USE" });
      await images.requireClaimable(id, "card0");
    });

    it("is consumed once, and says by whom", async () => {
      const images = await (await newPlace()).restart();
      const state = stateOf();
      const id = await sealIn(images, state);
      const claims = await images.claim(id, "card0");
      const owned = { ...state, generation: state.generation + claims };
      await images.commit(id, owned);
      await images.commit(id, owned);
      for (const attempt of [
        () => images.claim(id, "card0"),
        () => images.open(id),
        () => images.claim(id, "card1"),
      ]) {
        await expect(attempt()).rejects.toMatchObject({ reason: "IMAGE_CONSUMED" });
      }
      expect(await images.get(id)).toMatchObject({ state: "CONSUMED", consumedBy: { device: "card0" } });
      const second = await sealIn(images, { ...owned, nextTransitionId: 9 }, "second");
      expect(await markOf(images, second)).toBe("second");
    });

    it("is consumed when its device gives the state up", async () => {
      const place = await newPlace();
      const images = await place.restart();
      const id = await sealIn(images, stateOf());
      await images.commit(id, { device: "card0", uid: randomUUID(), generation: 1 });
      expect(await statesIn(images)).toEqual({ [id]: "CONSUMED" });
      expect(await (await place.restart()).findOwn("card0")).toBeUndefined();
    });

    it("is removed on request, and then nobody resumes from it", async () => {
      const images = await (await newPlace()).restart();
      const id = await sealIn(images, stateOf());
      await images.delete(id);
      await expect(images.claim(id, "card0")).rejects.toMatchObject({ reason: "IMAGE_NOT_FOUND" });
      await expect(images.delete(id)).rejects.toMatchObject({ reason: "IMAGE_NOT_FOUND" });
      for (const name of ["", "x", "../../etc/passwd", "card0-20261122t182125123z-9f86d081/../x"]) {
        await expect(images.get(name)).rejects.toMatchObject({ reason: "IMAGE_NOT_FOUND" });
      }
    });

    it("beyond those that are kept is removed after a resume", async () => {
      const images = await (await newPlace()).restart({ keepConsumed: 2 });
      let state = stateOf();
      const ids: string[] = [];
      for (let at = 0; at < 4; at++) {
        const id = await sealIn(images, state, String(at));
        ids.push(id);
        state = { ...state, generation: state.generation + (await images.claim(id, "card0")) };
        await images.commit(id, state);
      }
      expect(Object.keys(await statesIn(images))).toEqual(ids.slice(2));
    });

    it("is refused before its first byte when the quota leaves no room, and consumed ones make room", async () => {
      const place = await newPlace();
      const images = await place.restart({ quotaBytes: 250 });
      const state = stateOf();
      const id = await sealIn(images, state);
      await expect(images.create(state, 240)).rejects.toMatchObject({ reason: "IMAGE_STORE_FULL" });
      await expect(images.requireRoom(240)).rejects.toMatchObject({ reason: "IMAGE_STORE_FULL" });
      const owned = { ...state, generation: 1 + (await images.claim(id, "card0")) };
      await images.commit(id, owned);
      await images.requireRoom(240);
      expect(Object.keys(await statesIn(images))).toEqual([id]);
      const draft = await images.create(owned, 240);
      expect(await statesIn(images)).toEqual({});
      await draft.abandon();
    });
  });

  describe(`a daemon that starts with ${kind}`, () => {
    it("finds the image of its device by uid and generation, also one that a dead daemon claimed", async () => {
      const place = await newPlace();
      const first = await place.restart();
      const state = stateOf("card0", 3);
      const id = await sealIn(first, state);
      const second = await place.restart();
      const found = { image: id, uid: state.uid, generation: 3, nextTransitionId: 6 };
      expect(await second.findOwn("card0")).toMatchObject(found);
      expect(await second.findOwn("card1")).toBeUndefined();
      await second.claim(id, "card0");
      const third = await place.restart();
      expect(await third.findOwn("card0")).toMatchObject(found);
      expect(await third.claim(id, "card0")).toBe(2);
    });

    it("removes what was not sealed, and finds no image of a device that was awake", async () => {
      const place = await newPlace();
      const first = await place.restart();
      const state = stateOf();
      for (const isWhole of [false, true]) {
        const draft = await first.create(state, 1000);
        await draft.write(0, contentOf(state, "lost"));
        if (isWhole) await draft.sync();
        // As the system does for a process that was killed.
        await draft.close();
      }
      const second = await place.restart();
      expect(second.partialsRemoved).toBe(2);
      expect(await second.findOwn("card0")).toBeUndefined();
      expect(await second.list()).toEqual([]);
      expect(await second.usage()).toMatchObject({ images: 0, bytes: 0 });
    });
  });
}
