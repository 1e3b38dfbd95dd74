/** Asks again and again until the answer is yes; throws when it never was within `ms`. */
export async function until(question: () => boolean | Promise<boolean>, ms = 5_000): Promise<void> {
  const deadline = Date.now() + ms
  while (!(await question())) {
    if (Date.now() > deadline) throw new Error('it did not happen in time')
    await new Promise((resume) => setTimeout(resume, 10))
  }
}
