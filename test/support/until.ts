/**
 * Asks again and again until the answer is yes; throws when it never was within `ms`. What is waited for usually takes
 * milliseconds: the limit is for a machine with ten times as much to do, and no part of any promise.
 */
export async function until(question: () => boolean | Promise<boolean>, ms = 30_000): Promise<void> {
  const deadline = Date.now() + ms
  while (!(await question())) {
    if (Date.now() > deadline) throw new Error('it did not happen in time')
    await new Promise((resume) => setTimeout(resume, 10))
  }
}
